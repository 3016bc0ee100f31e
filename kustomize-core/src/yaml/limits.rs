//! How much YAML is taken before it is refused.

/// What a single YAML file may ask of memory and stack.
///
/// The defaults are far above what Kubernetes accepts (its API server refuses
/// objects beyond a few megabytes).
///
/// # Deviation
///
/// kustomize allows 10,000 levels of nesting and expands aliases without any
/// limit, so a file of a few hundred bytes can take all memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Levels of mappings and sequences inside each other; at most 10,000, as in go-yaml.
    ///
    /// With the default everything that can be done with a resource fits in the 2 MiB of stack that
    /// threads have, even without optimisation. Who allows more needs 2 KiB more for each level.
    pub depth: usize,
    /// Mappings, sequences and scalars in one file after its aliases were expanded.
    pub nodes: usize,
    /// Bytes of a file; at most `i32::MAX`, which is what a span of text can hold.
    pub bytes: usize,
}

impl Limits {
    /// 1,000 levels, 20 million nodes, 512 MiB.
    pub fn new() -> Self {
        Self { depth: 1_000, nodes: 20_000_000, bytes: 512 << 20 }
    }

    /// Sets the levels of nesting.
    #[must_use]
    pub fn depth(self, depth: usize) -> Self {
        Self { depth: depth.min(10_000), ..self }
    }

    /// Sets the number of nodes.
    #[must_use]
    pub fn nodes(self, nodes: usize) -> Self {
        Self { nodes, ..self }
    }

    /// Sets the size of a file in bytes.
    #[must_use]
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes: bytes.min(i32::MAX as usize), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
