//! The resources of a set: its own, or in pieces that several builds share.
//!
//! A build that differs from the one before in a few resources has new pieces
//! only where these are. A piece remembers its text, so that all of it is copied
//! at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use crate::resource::Resource;
use crate::threads::Threads;
use crate::yaml::EmitError;

/// How many resources a piece has. What changes costs about as much as what is
/// next to it in its piece, and what does not change as much as there are pieces.
const PIECE: usize = 32;

/// What is printed between two resources.
pub(crate) const SEPARATOR: &str = "---\n";

/// A list of resources; who looks at it, or changes it, sees an ordinary one.
#[derive(Debug, Clone)]
pub(crate) enum Resources {
    Own(Vec<Resource>),
    Shared(Pieces),
}

/// Resources that other sets share.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// All but the last one are full.
    list: Vec<Arc<Piece>>,
    /// In one list, made when somebody looks at it.
    joined: OnceLock<Vec<Resource>>,
}

#[derive(Debug)]
struct Piece {
    resources: Vec<Resource>,
    text: OnceLock<String>,
}

/// A resource that cannot be printed, and why.
pub(crate) type Unprintable<'a> = (&'a Resource, EmitError);

impl Default for Resources {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Resources {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own(list) => list.len(),
            Self::Shared(pieces) => pieces.len(),
        }
    }

    /// Them in order, without a list being made of shared ones.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Resource> {
        let (own, pieces) = match self {
            Self::Own(list) => (&list[..], &[][..]),
            Self::Shared(pieces) => (&[][..], &pieces.list[..]),
        };
        own.iter().chain(pieces.iter().flat_map(|piece| &piece.resources))
    }

    pub(crate) fn into_vec(self) -> Vec<Resource> {
        match self {
            Self::Own(list) => list,
            Self::Shared(pieces) => pieces.into_vec(),
        }
    }

    pub(crate) fn into_pieces(self) -> Pieces {
        match self {
            Self::Own(list) => Pieces::of(list),
            Self::Shared(pieces) => pieces,
        }
    }
}

impl Deref for Resources {
    type Target = Vec<Resource>;

    fn deref(&self) -> &Vec<Resource> {
        match self {
            Self::Own(list) => list,
            Self::Shared(pieces) => pieces.joined(),
        }
    }
}

/// They are the set's own from then on.
impl DerefMut for Resources {
    fn deref_mut(&mut self) -> &mut Vec<Resource> {
        if let Self::Shared(pieces) = self {
            *self = Self::Own(std::mem::take(pieces).into_vec());
        }
        match self {
            Self::Own(list) => list,
            Self::Shared(_) => unreachable!("shared ones were copied just now"),
        }
    }
}

impl Clone for Pieces {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), joined: OnceLock::new() }
    }
}

/// A piece is copied to be changed.
impl Clone for Piece {
    fn clone(&self) -> Self {
        Self::new(self.resources.clone())
    }
}

impl Pieces {
    fn of(resources: Vec<Resource>) -> Self {
        let count = resources.len().div_ceil(PIECE);
        let mut resources = resources.into_iter();
        let next = |_| Arc::new(Piece::new(resources.by_ref().take(PIECE).collect()));
        Self { list: (0..count).map(next).collect(), joined: OnceLock::new() }
    }

    fn len(&self) -> usize {
        let last = self.list.last().map_or(0, |piece| piece.resources.len());
        self.list.len().saturating_sub(1) * PIECE + last
    }

    fn joined(&self) -> &Vec<Resource> {
        self.joined.get_or_init(|| join(&self.list))
    }

    fn into_vec(self) -> Vec<Resource> {
        let Self { list, joined } = self;
        joined.into_inner().unwrap_or_else(|| join(&list))
    }

    /// The same with others in some places.
    pub(crate) fn with(mut self, others: impl Iterator<Item = (usize, Resource)>) -> Self {
        self.joined.take();
        for (at, other) in others {
            let piece = self.list.get_mut(at / PIECE).map(Arc::make_mut);
            if let Some(place) = piece.and_then(|piece| piece.changed().get_mut(at % PIECE)) {
                *place = other;
            }
        }
        self
    }

    /// All of them as they are printed.
    pub(crate) fn to_yaml(&self, threads: Threads) -> Result<String, Unprintable<'_>> {
        let new = self.list.iter().filter(|piece| piece.text.get().is_none());
        let new: Vec<&Resource> = new.flat_map(|piece| &piece.resources).collect();
        // Each remembers its text; what cannot be printed is found again below, in order.
        threads.ranges(new.len(), |part| new[part].iter().for_each(|resource| drop(resource.kept_yaml())));
        let texts = self.list.iter().map(|piece| piece.text()).collect::<Result<Vec<_>, _>>()?;
        Ok(texts.join(SEPARATOR))
    }
}

fn join(pieces: &[Arc<Piece>]) -> Vec<Resource> {
    pieces.iter().flat_map(|piece| &piece.resources).cloned().collect()
}

impl Piece {
    fn new(resources: Vec<Resource>) -> Self {
        Self { resources, text: OnceLock::new() }
    }

    /// Its resources for writing, which makes its text another one.
    fn changed(&mut self) -> &mut [Resource] {
        self.text.take();
        &mut self.resources
    }

    fn text(&self) -> Result<&str, Unprintable<'_>> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let text = |resource| Resource::kept_yaml(resource).map_err(|error| (resource, error));
        let texts = self.resources.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        Ok(self.text.get_or_init(|| texts.join(SEPARATOR)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::tests::resource;
    use crate::resource_set::ResourceSet;

    fn resources(count: usize) -> Vec<Resource> {
        (0..count).map(|at| resource("v1", "ConfigMap", "", &format!("r{at}"))).collect()
    }

    fn print(resources: &[Resource]) -> String {
        let texts: Vec<_> = resources.iter().map(|resource| resource.to_yaml().expect("printable")).collect();
        texts.join("---\n")
    }

    #[test]
    fn pieces_are_a_list() {
        for count in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE] {
            let own = resources(count);
            let set = ResourceSet::of(own.clone(), Threads::ONE);
            let shared = set.clone().into_shared();
            assert_eq!((shared.len(), shared.is_empty()), (count, count == 0));
            let address = |resource: &Resource| resource.address();
            assert!(shared.iter().map(address).eq(own.iter().map(address)));
            assert_eq!(shared.to_yaml().expect("printable"), print(&own));
            assert_eq!(set.to_yaml().expect("printable"), print(&own));
            let mut copy = shared.clone();
            copy.as_mut_vec().extend(resources(1));
            assert_eq!((copy.len(), shared.len()), (count + 1, count));
            assert_eq!(copy.into_vec().len(), count + 1);
            assert_eq!(shared.into_vec().len(), count);
        }
    }

    #[test]
    fn what_did_not_change_is_shared() {
        let mut list = resources(3 * PIECE + 1);
        let pieces = Pieces::of(list.clone());
        pieces.to_yaml(Threads::ONE).expect("printable");
        let new = resource("v1", "ConfigMap", "", "new");
        let places = [PIECE, 2 * PIECE - 1, 3 * PIECE];
        let changed = pieces.clone().with(places.iter().map(|at| (*at, new.clone())));
        places.into_iter().for_each(|at| list[at] = new.clone());
        assert_eq!(changed.to_yaml(Threads::ONE).expect("printable"), print(&list));
        let shared = pieces.list.iter().zip(&changed.list).map(|(old, new)| Arc::ptr_eq(old, new));
        assert_eq!(shared.collect::<Vec<_>>(), [true, false, true, false]);
    }
}
