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

/// Appends the first `len` bytes of `text`, which are probably few. What is behind
/// them is copied with them and taken off again: for a number of bytes that is known,
/// nothing has to be called.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, text: &[u8], len: usize) {
    match (text.first_chunk::<16>(), text.first_chunk::<32>()) {
        (Some(chunk), _) if len <= 16 => append_start(out, chunk, len),
        (_, Some(chunk)) if len <= 32 => append_start(out, chunk, len),
        _ => out.extend_from_slice(&text[..len]),
    }
}

#[inline]
fn append_start<const N: usize>(out: &mut Vec<u8>, chunk: &[u8; N], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(chunk);
    out.truncate(end);
}

/// Appends a text that is probably short, as `String::push_str` does.
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
    if count <= 16 {
        append_start(out, &[b' '; 16], count);
    } else {
        out.resize(out.len() + count, b' ');
    }
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
        fn what_is_appended_is_all_of_it(before in "[a-cé]{0,40}", text in "[a-cé]{0,70}", behind in "[a-c]{0,40}", spaces in 0..40_usize) {
            let mut bytes = before.clone().into_bytes();
            append(&mut bytes, (text.clone() + &behind).as_bytes(), text.len());
            append_spaces(&mut bytes, spaces);
            let mut string = before.clone();
            push_str(&mut string, &text);
            prop_assert_eq!(bytes, (before.clone() + &text + &" ".repeat(spaces)).into_bytes());
            prop_assert_eq!(string, before + &text);
        }
    }
}
