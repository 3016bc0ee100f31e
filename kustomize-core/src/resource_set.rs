//! The resources of a kustomization, in order.

use crate::resource::Resource;
use crate::yaml::EmitError;

/// Resources in the order in which they are printed.
#[derive(Debug, Clone, Default)]
pub struct ResourceSet {
    resources: Vec<Resource>,
}

impl ResourceSet {
    /// The resources in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.resources.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// All manifests as kustomize prints them, with `---` between them.
    ///
    /// # Errors
    ///
    /// As [`Resource::to_yaml`].
    pub fn to_yaml(&self) -> Result<String, EmitError> {
        let mut out = Vec::new();
        for (at, resource) in self.resources.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(b"---\n");
            }
            resource.write_yaml(&mut out)?;
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.resources.iter_mut()
    }

    pub(crate) fn as_slice(&self) -> &[Resource] {
        &self.resources
    }

    pub(crate) fn as_mut_vec(&mut self) -> &mut Vec<Resource> {
        &mut self.resources
    }
}

impl<'a> IntoIterator for &'a ResourceSet {
    type Item = &'a Resource;
    type IntoIter = std::slice::Iter<'a, Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
