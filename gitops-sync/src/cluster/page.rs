//! Lists, page by page.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::discovery::ResourceType;
use super::request::{Ask, percent_encode};
use super::{Cluster, ClusterError};
use crate::id::ResourceId;
use crate::object::Live;

/// A server that doesn't know it sends whole objects, which will do.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// One page of a list.
#[derive(Default)]
pub(crate) struct Listed {
    /// Those that were wanted.
    pub(crate) items: Vec<(ResourceId, Live)>,
    pub(crate) resource_version: String,
    pub(crate) next: Option<String>,
    /// How many are left after this page; the server may not say.
    pub(crate) remaining: Option<u64>,
}

/// Which part of a list, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Selection<'a> {
    pub(crate) namespace: Option<&'a str>,
    pub(crate) labels: Option<&'a str>,
    /// Where the page before has ended.
    pub(crate) from: Option<&'a str>,
    /// Metadata is enough.
    pub(crate) metadata_only: bool,
}

impl Cluster {
    /// Those of one page of the objects of a kind that are `wanted`.
    ///
    /// A kind that has gone has no objects.
    pub(crate) async fn list(
        &self,
        kind: &ResourceType,
        selection: Selection<'_>,
        wanted: impl Fn(&ResourceId) -> bool,
    ) -> Result<Listed, ClusterError> {
        let mut path = format!("{}?limit=500", kind.collection(selection.namespace));
        for (parameter, value) in [("labelSelector", selection.labels), ("continue", selection.from)] {
            if let Some(value) = value {
                path.push_str(&format!("&{parameter}={}", percent_encode(value)));
            }
        }
        let place = selection.namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let mut ask = Ask::get(format!("list {}{place}", kind.plural), path);
        if selection.metadata_only {
            ask.accept = METADATA;
        }
        match self.ask_for(ask, |body| read_page(body, kind, &wanted)).await {
            Err(error) if error.is_not_found() => Ok(Listed::default()),
            answer => answer,
        }
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMetadata,
    // Null stands for no items.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata {
    resource_version: String,
    r#continue: String,
    remaining_item_count: Option<u64>,
}

/// What is not wanted is passed over, and never becomes a value.
fn read_page(body: &[u8], kind: &ResourceType, wanted: impl Fn(&ResourceId) -> bool) -> serde_json::Result<Listed> {
    let page: Page<'_> = serde_json::from_slice(body)?;
    let items = page.items.unwrap_or_default().into_iter().map(|item| Live::of_item(item, kind, &wanted));
    Ok(Listed {
        items: items.filter_map(Result::transpose).collect::<Result<_, _>>()?,
        resource_version: page.metadata.resource_version,
        next: Some(page.metadata.r#continue).filter(|next| !next.is_empty()),
        remaining: page.metadata.remaining_item_count,
    })
}
