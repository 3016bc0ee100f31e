use std::fmt;
use std::str::FromStr;

/// The name of a Git object: a commit, a tree, a blob or a tag.
///
/// Equal ids mean equal content, so comparing the ids of two trees tells
/// whether anything below them differs.
///
/// ```
/// use gitops_git::ObjectId;
/// let id: ObjectId = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse()?;
/// assert_eq!(id.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
/// assert_eq!(id.short(), "4b825dc");
/// # Ok::<(), gitops_git::ObjectIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

/// A text that is no object id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an object id, which has 40 hexadecimal digits")]
pub struct ObjectIdError {
    text: String,
}

impl ObjectId {
    pub(crate) const ZERO: Self = Self([0; 20]);

    /// The first seven digits, as people write them.
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }

    pub(crate) fn from_git(oid: git2::Oid) -> Self {
        let mut bytes = [0; 20];
        // git2 is built without SHA-256 support, so an id always has 20 bytes.
        bytes.copy_from_slice(oid.as_bytes());
        Self(bytes)
    }

    pub(crate) fn to_git(self) -> git2::Oid {
        git2::Oid::from_bytes(&self.0).expect("20 bytes are an id")
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let digits = text.as_bytes();
        let error = || ObjectIdError { text: text.chars().take(80).collect() };
        if digits.len() != 40 {
            return Err(error());
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let high = (pair[0] as char).to_digit(16).ok_or_else(error)?;
            let low = (pair[1] as char).to_digit(16).ok_or_else(error)?;
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
