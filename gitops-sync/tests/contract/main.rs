//! What a client may rely on, on the embedded API server and on a real one.
//!
//! Every case runs against the embedded server; all of them run against a real kube-apiserver
//! when `KUBEBUILDER_ASSETS` names a folder with one, and must see the same.

#![cfg(feature = "embedded")]

mod controllers;
mod custom;
mod deletes;
mod fixture;
mod lists;
mod ownership;
#[path = "../support/real_cluster.rs"]
mod real_cluster;
mod status;
mod updates;
mod watches;

use fixture::Fixture;
use gitops_sync::embedded::EmbeddedCluster;
use real_cluster::RealCluster;

/// Runs each case in a namespace of its own on the embedded server, and all on the real one.
macro_rules! contract {
    ($($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    let cluster = crate::EmbeddedCluster::new();
                    crate::$module::$case(crate::Fixture::new(cluster.client(), stringify!($case)).await).await;
                }
            )+
        })+

        #[tokio::test(flavor = "multi_thread")]
        async fn on_a_real_server() {
            let Some(cluster) = crate::RealCluster::start(false).await else { return };
            let client = cluster.client();
            let mut failed = Vec::new();
            $($(
                let name = concat!(stringify!($module), "::", stringify!($case));
                let fixture = crate::Fixture::new(client.clone(), stringify!($case)).await;
                if tokio::spawn(crate::$module::$case(fixture)).await.is_err() {
                    failed.push(name);
                }
            )+)+
            assert!(failed.is_empty(), "the real server disagrees: {failed:?}");
        }
    };
}

mod cases {
    contract! {
        ownership: applied_fields_are_owned_and_dropped_ones_go, a_conflict_names_manager_and_field,
            several_conflicts_are_listed, a_shared_value_survives_one_of_its_owners, force_takes_fields_over,
            a_dry_run_stores_nothing, updates_are_tracked_and_conflict, managers_can_be_reset, managers_can_be_edited,
            kubectl_takes_over_what_it_applied_before, an_empty_apply_gives_everything_up, an_apply_must_be_well_formed;
        lists: items_of_a_list_map_belong_to_their_managers, sets_are_shared, atomic_lists_conflict_as_a_whole,
            ports_are_told_apart_by_two_keys, what_nobody_wants_returns_to_its_default, duplicate_keys_are_refused,
            unknown_fields_are_refused;
        status: a_status_has_its_own_way_in, the_generation_counts_specifications;
        updates: patches_of_all_kinds, a_stale_version_is_refused, immutable_fields_stay;
        deletes: preconditions_hold, finalizers_hold_an_object, a_policy_is_written_down, a_selection_is_deleted,
            namespaces_must_exist;
        watches: changes_arrive_in_order, a_selection_is_left_by_a_deletion, lists_come_in_pages;
        custom: a_definition_is_served, custom_resources_are_pruned_defaulted_and_checked, custom_lists_merge_by_their_schema;
    }
}
