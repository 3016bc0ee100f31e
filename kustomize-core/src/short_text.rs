//! Compares texts of a few bytes, such as keys and kinds, for which calling
//! the C library's `memcmp` takes longer than comparing them.

/// Whether two texts are the same. The end comes first, in which numbered keys differ.
#[inline]
pub(crate) fn same(one: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> bool {
    let (one, other) = (one.as_ref(), other.as_ref());
    if one.len() != other.len() {
        return false;
    }
    if let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        return end == other_end && one.chunks(8).zip(other.chunks(8)).all(|(one, other)| same_chunk(one, other));
    }
    same_chunk(one, other)
}

/// [`same`] for at most eight bytes of one length.
#[inline]
fn same_chunk(one: &[u8], other: &[u8]) -> bool {
    if let (Some(one), Some(other)) = (one.first_chunk::<8>(), other.first_chunk::<8>()) {
        return one == other;
    }
    if let (Some(start), Some(other_start)) = (one.first_chunk::<4>(), other.first_chunk::<4>()) {
        return start == other_start && one.last_chunk::<4>() == other.last_chunk::<4>();
    }
    one.iter().zip(other).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::same;

    proptest! {
        #[test]
        fn it_is_equality(text in "[ab]{0,20}", other in "[ab]{0,20}", at in 0..20_usize) {
            prop_assert!(same(&text, text.clone()));
            prop_assert_eq!(same(&text, &other), text == other);
            let changed: String = text.char_indices().map(|(i, c)| if i == at { 'c' } else { c }).collect();
            prop_assert_eq!(same(&text, &changed), text == changed);
        }
    }
}
