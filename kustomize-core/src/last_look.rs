//! The last look at each resource of a build: whether it is still one, whether
//! it is printed, and what it has that only the build needs.

use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::order::{self, LegacyOrder};
use crate::resource::Resource;
use crate::resource_set::{IdHasher, ResourceSet};
use crate::schema::Schema;
use crate::{manifest, metadata};

/// What there is to do with each resource in the end.
pub(crate) struct LastLook<'a> {
    pub(crate) kustomization: &'a PathBuf,
    pub(crate) schema: Schema,
    /// The version that a label is to say, if there is to be one.
    pub(crate) managed_by: Option<&'a str>,
    pub(crate) keep_origin: bool,
    pub(crate) keep_transformations: bool,
}

/// A resource that there is nothing to do with, which are most of them. It is
/// looked at while its references are looked for, and then need not be again.
pub(crate) struct Done {
    id: u64,
    key: order::Key,
}

impl LastLook<'_> {
    /// For resources of which the last thing is done that may change them.
    pub(crate) fn look<'b>(&'b self, ids: &'b IdHasher) -> impl Fn(&Resource) -> Option<Done> + Sync + 'b {
        move |resource| {
            let is_done = self.managed_by.is_none()
                && manifest::problem(resource.doc()).is_none()
                && !metadata::is_local_config(resource)
                && metadata::is_clean(resource, self.keep_origin, self.keep_transformations);
            is_done.then(|| Done { id: ids.hash(resource, &self.schema), key: order::Key::of(resource) })
        }
    }

    /// Does it, and brings the resources in order. `done` is what [`look`](Self::look)
    /// found, if that is all there is to find.
    pub(crate) fn settle(
        &self,
        resources: &mut ResourceSet,
        done: Option<Vec<Done>>,
        order: Option<LegacyOrder<'_>>,
    ) -> Result<(), BuildError> {
        match &done {
            Some(done) => resources.check_unique(&self.schema, done.iter().map(|done| done.id))?,
            None => resources.retain_unique(&self.schema, |resource| self.keep(resource))?,
        }
        let Some(mut order) = order else { return Ok(()) };
        match done {
            Some(done) => done.into_iter().zip(resources.iter()).for_each(|(done, of)| order.add_key(done.key, of)),
            None => resources.iter().for_each(|resource| order.add(resource)),
        }
        order.sort(resources.as_mut_vec());
        Ok(())
    }

    /// Whether it is printed, made ready for that.
    fn keep(&self, resource: &mut Resource) -> Result<bool, BuildError> {
        check(self.kustomization, resource)?;
        if metadata::is_local_config(resource) {
            return Ok(false);
        }
        if let Some(version) = self.managed_by {
            metadata::add_managed_by_label(resource, version);
        }
        metadata::clean_annotations(resource, self.keep_origin, self.keep_transformations);
        Ok(true)
    }
}

/// A patch or replacement may have taken away what makes a manifest a resource.
fn check(kustomization: &Path, resource: &Resource) -> Result<(), BuildError> {
    let Some(problem) = manifest::problem(resource.doc()) else { return Ok(()) };
    let id = Box::new(resource.original_id());
    Err(BuildError::Broken { kustomization: kustomization.to_owned(), id, problem })
}

#[cfg(test)]
mod tests {
    use crate::{BuildOptions, Memory, build};

    const LOCAL: &str =
        "{apiVersion: v1, kind: L, metadata: {name: l, annotations: {config.kubernetes.io/local-config: \"true\"}}}";

    /// With a local resource nothing is found done, and everything is looked at once more.
    fn built(field: &str, local: &str) -> String {
        let files = Memory::new()
            .with(
                "kustomization.yaml",
                "resources: [all.yaml, local.yaml]\nnamePrefix: \"1\"\nconfigurations: [names.yaml]\n\
                 commonAnnotations: {ref: e3}\n",
            )
            .with(
                "names.yaml",
                format!("nameReference: [{{kind: A, fieldSpecs: [{{path: {field}, kind: Deployment}}]}}]"),
            )
            .with("local.yaml", local)
            .with(
                "all.yaml",
                "{apiVersion: x/v1, kind: A, metadata: {name: e3}}\n---\n\
                 {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {use: e3}}}}\n",
            );
        build(&files, "", &BuildOptions::new()).expect("builds").resources.to_yaml().expect("printable")
    }

    #[test]
    fn edited_references_are_looked_at_after_the_edit() {
        for (field, annotation) in [
            ("spec/template/spec/use", "    ref: e3\n"),
            ("metadata/annotations/ref", "    ref: \"1e3\"\n"),
            // It is the same value.
            ("spec/template/metadata/annotations/ref", "    ref: \"1e3\"\n"),
        ] {
            let built = [built(field, ""), built(field, LOCAL)];
            assert_eq!(built[0], built[1], "{field}");
            let deployment = built[0].split("---").find(|resource| resource.contains("Deployment")).expect("built");
            assert!(deployment.contains(annotation), "{deployment}");
        }
    }
}
