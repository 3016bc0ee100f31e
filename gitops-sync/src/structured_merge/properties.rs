//! Properties of field sets and of apply.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

fn deployment() -> Arc<Type> {
    builtin_type("apps/v1", "Deployment").expect("a built-in kind")
}

/// Some of a Deployment: labels, replicas, containers with arguments and variables.
fn configs() -> impl Strategy<Value = Value> {
    let variables = prop::collection::btree_map("[AB]", "[12]", 0..3);
    let container = (prop::option::of("[xy]"), prop::option::of(prop::collection::vec("[pq]", 0..2)), variables);
    let containers = prop::collection::btree_map("[cde]", container, 0..3);
    let labels = prop::collection::btree_map("[lm]", "[12]", 0..2);
    (labels, prop::option::of(1..3), containers).prop_map(|(labels, replicas, containers)| {
        let container = |(name, (image, args, env)): (String, (Option<String>, Option<Vec<String>>, _))| {
            let env: std::collections::BTreeMap<String, String> = env;
            let env: Vec<_> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            let mut container = json!({"name": name, "env": env});
            if let Some(image) = image {
                container["image"] = json!(image);
            }
            if let Some(args) = args {
                container["args"] = json!(args);
            }
            container
        };
        let containers: Vec<_> = containers.into_iter().map(container).collect();
        let mut config =
            json!({"metadata": {"labels": labels}, "spec": {"template": {"spec": {"containers": containers}}}});
        if let Some(replicas) = replicas {
            config["spec"]["replicas"] = json!(replicas);
        }
        config
    })
}

/// An object with its managers, and applies to it.
#[derive(Clone)]
struct World {
    object: Value,
    managed: ManagedFields,
}

impl World {
    fn new() -> Self {
        Self { object: json!({}), managed: ManagedFields::default() }
    }

    fn apply(&mut self, manager: &str, config: &Value, force: bool) -> Result<bool, ApplyError> {
        let manager = Manager::applier(manager, "");
        let request =
            ApplyRequest { live: &self.object, config, manager: &manager, api_version: "apps/v1", force, now: NOW };
        let merged = self.managed.apply(&request, &deployment())?;
        let changed = merged.is_some();
        self.object = merged.unwrap_or_else(|| self.object.clone());
        Ok(changed)
    }

    fn fields(&self) -> FieldSet {
        field_set(&deployment(), &self.object)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn field_sets_survive_the_wire(config in configs()) {
        let set = field_set(&deployment(), &config);
        prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()).unwrap(), set);
    }

    #[test]
    fn set_operations_agree_with_lists_of_paths(a in configs(), b in configs()) {
        let (a, b) = (field_set(&deployment(), &a), field_set(&deployment(), &b));
        for path in a.union(&b).paths() {
            let (in_a, in_b) = (a.contains(&path.0), b.contains(&path.0));
            prop_assert!(in_a || in_b);
            prop_assert_eq!(a.intersection(&b).contains(&path.0), in_a && in_b);
            prop_assert_eq!(a.difference(&b).contains(&path.0), in_a && !in_b);
        }
    }

    #[test]
    fn a_comparison_with_itself_finds_nothing(config in configs()) {
        prop_assert!(compare(&deployment(), &config, &config).is_same());
    }

    #[test]
    fn applying_again_changes_nothing(first in configs(), second in configs()) {
        let mut world = World::new();
        world.apply("a", &first, true).unwrap();
        world.apply("b", &second, true).unwrap();
        let before = world.clone();
        prop_assert!(!world.apply("b", &second, false).unwrap());
        prop_assert_eq!(world.managed, before.managed);
        prop_assert_eq!(world.object, before.object);
    }

    #[test]
    fn a_forced_apply_gets_everything_it_wants(first in configs(), second in configs()) {
        let mut world = World::new();
        world.apply("a", &first, true).unwrap();
        world.apply("b", &second, true).unwrap();
        let change = compare(&deployment(), &second, &world.object);
        prop_assert!(change.removed.is_empty() && change.modified.is_empty(), "{change:?}");
    }

    #[test]
    fn what_the_only_manager_drops_goes(first in configs(), second in configs()) {
        let mut world = World::new();
        world.apply("a", &first, false).unwrap();
        world.apply("a", &second, false).unwrap();
        let mut fresh = World::new();
        fresh.apply("a", &second, false).unwrap();
        prop_assert_eq!(&world.managed, &fresh.managed);
        // An empty list or map may stay where something was; no value does.
        let left = world.fields().difference(&fresh.fields());
        let values = left.paths().into_iter().filter(|path| !path.to_string().ends_with("labels"));
        prop_assert_eq!(values.map(|path| path.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn a_refused_apply_leaves_all_as_it_was(first in configs(), second in configs()) {
        let mut world = World::new();
        world.apply("a", &first, false).unwrap();
        let before = world.clone();
        if world.apply("b", &second, false).is_err() {
            prop_assert_eq!(world.managed, before.managed);
        } else {
            prop_assert!(world.managed.get(&Manager::applier("a", "")) == before.managed.get(&Manager::applier("a", "")));
        }
    }

    #[test]
    fn an_update_owns_what_it_changed(first in configs(), second in configs()) {
        let mut world = World::new();
        world.apply("a", &first, false).unwrap();
        let updater = Manager::updater("u", "apps/v1", "");
        world.managed.update(&world.object, &second, &updater, NOW, &deployment());
        let change = compare(&deployment(), &world.object, &second);
        let own = world.managed.get(&updater).map(|entry| entry.fields.clone()).unwrap_or_default();
        for path in change.modified.union(&change.added).paths().iter().filter(|path| path.to_string() != ".metadata") {
            prop_assert!(own.contains(&path.0), "{path}");
        }
        for (manager, entry) in world.managed.iter().filter(|(manager, _)| **manager != updater) {
            prop_assert!(entry.fields.intersection(&change.removed).is_empty(), "{manager}");
        }
    }
}
