//! Compares and copies texts of a few bytes, such as keys and kinds, for which
//! calling the C library's `memcmp` or `memcpy` takes longer than doing it.

/// Whether two texts are the same. The end comes first, in which numbered keys differ.
#[inline]
pub(crate) fn same(one: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> bool {
    let (one, other) = (one.as_ref(), other.as_ref());
    if one.len() != other.len() {
        return false;
    }
    if let (Some(end), Some(other_end)) = (one.last_chunk::<16>(), other.last_chunk::<16>()) {
        let (chunks, other_chunks) = (one.as_chunks::<16>().0, other.as_chunks::<16>().0);
        return end == other_end && chunks.iter().zip(other_chunks).all(|(one, other)| one == other);
    }
    if let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        return end == other_end && one.first_chunk::<8>() == other.first_chunk::<8>();
    }
    same_chunk(one, other)
}

/// [`same`] for less than eight bytes of one length.
#[inline]
fn same_chunk(one: &[u8], other: &[u8]) -> bool {
    if let (Some(start), Some(other_start)) = (one.first_chunk::<4>(), other.first_chunk::<4>()) {
        return start == other_start && one.last_chunk::<4>() == other.last_chunk::<4>();
    }
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// Appends a text that is probably short, as `extend_from_slice` does.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        0..4 => text.iter().for_each(|byte| out.push(*byte)),
        4..8 => append_ends::<4>(out, text),
        8..17 => append_ends::<8>(out, text),
        17..33 => append_ends::<16>(out, text),
        _ => out.extend_from_slice(text),
    }
}

/// Appends `N` to twice `N` bytes: the first `N` and, over some of them, the last.
#[inline]
fn append_ends<const N: usize>(out: &mut Vec<u8>, text: &[u8]) {
    let (Some(start), Some(end)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) else { return };
    let before_end = out.len() + text.len() - N;
    out.extend_from_slice(start);
    out.truncate(before_end);
    out.extend_from_slice(end);
}

/// As [`append`], to a string.
#[inline]
pub(crate) fn push_str(out: &mut String, text: &str) {
    match text.len() {
        4..8 => push_ends::<4>(out, text),
        8..17 => push_ends::<8>(out, text),
        17..33 => push_ends::<16>(out, text),
        _ => out.push_str(text),
    }
}

#[inline]
fn push_ends<const N: usize>(out: &mut String, text: &str) {
    let behind = text.len() - N;
    let (Some(start), Some(end)) = (text.get(..N), text.get(behind..)) else { return out.push_str(text) };
    let before_end = out.len() + behind;
    out.push_str(start);
    out.truncate(before_end);
    out.push_str(end);
}

/// Appends so many spaces.
#[inline]
pub(crate) fn append_spaces(out: &mut Vec<u8>, count: usize) {
    let end = out.len() + count;
    out.extend_from_slice(&[b' '; 16]);
    if count > 16 {
        out.resize(end, b' ');
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{append, append_spaces, push_str, same};

    proptest! {
        #[test]
        fn it_is_equality(text in "[ab]{0,20}", other in "[ab]{0,20}", at in 0..20_usize) {
            prop_assert!(same(&text, text.clone()));
            prop_assert_eq!(same(&text, &other), text == other);
            let changed: String = text.char_indices().map(|(i, c)| if i == at { 'c' } else { c }).collect();
            prop_assert_eq!(same(&text, &changed), text == changed);
        }

        #[test]
        fn what_is_appended_is_all_of_it(before in "[a-cé]{0,40}", text in "[a-cé]{0,70}", spaces in 0..40_usize) {
            let mut bytes = before.clone().into_bytes();
            append(&mut bytes, text.as_bytes());
            append_spaces(&mut bytes, spaces);
            let mut string = before.clone();
            push_str(&mut string, &text);
            prop_assert_eq!(bytes, (before.clone() + &text + &" ".repeat(spaces)).into_bytes());
            prop_assert_eq!(string, before + &text);
        }
    }
}
