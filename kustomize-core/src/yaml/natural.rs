//! The order in which go-yaml v2 prints the keys of a mapping: letters last,
//! digits as numbers.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

/// go-yaml v2's order of two keys.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    compare_bytes(a.as_bytes(), b.as_bytes()).unwrap_or_else(|| {
        let common = floor_char_boundary(a, common(a.as_bytes(), b.as_bytes()));
        if less(a, b, common) { Ordering::Less } else { Ordering::Greater }
    })
}

/// The same where a look at the bytes is enough.
fn compare_bytes(a: &[u8], b: &[u8]) -> Option<Ordering> {
    let common = common(a, b);
    if common == a.len() || common == b.len() {
        return Some(a.len().cmp(&b.len()));
    }
    let (x, y) = (a[common], b[common]);
    if x.is_ascii_alphabetic() && y.is_ascii_alphabetic() {
        return Some(x.cmp(&y));
    }
    let is_less = (a.is_ascii() && b.is_ascii()).then(|| less_ascii(a, b, common))?;
    Some(if is_less { Ordering::Less } else { Ordering::Greater })
}

/// How long the beginning is that both have.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn floor_char_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `a < b` where they differ first in the character at `common`.
fn less(a: &str, b: &str, common: usize) -> bool {
    let (Some(x), Some(y)) = (a[common..].chars().next(), b[common..].chars().next()) else { return a.len() < b.len() };
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x < y,
        (true, false) | (false, true) => return is_letter(y),
        (false, false) => {}
    }
    // Digits after a number count as one more place, so leading zeros matter only at the start.
    let follows_number = (x == '0' || y == '0')
        && a[..common].chars().rev().take_while(|character| is_digit(*character)).any(|character| character != '0');
    let start = i64::from(follows_number);
    let (a_number, a_digits) = number(&a[common..], start);
    let (b_number, b_digits) = number(&b[common..], start);
    if a_number != b_number {
        return a_number < b_number;
    }
    if a_digits != b_digits { a_digits < b_digits } else { x < y }
}

/// As [`less`] for texts of ASCII, which keys mostly are, without decoding characters.
fn less_ascii(a: &[u8], b: &[u8], common: usize) -> bool {
    let (x, y) = (a[common], b[common]);
    if x.is_ascii_alphabetic() || y.is_ascii_alphabetic() {
        return y.is_ascii_alphabetic() && (!x.is_ascii_alphabetic() || x < y);
    }
    let digits_before = a[..common].iter().rev().take_while(|byte| byte.is_ascii_digit());
    let follows_number = (x == b'0' || y == b'0') && digits_before.into_iter().any(|byte| *byte != b'0');
    let number = |text: &[u8]| {
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold((i64::from(follows_number), 0), |(value, digits), digit| {
            (value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), digits + 1)
        })
    };
    let ((a_number, a_digits), (b_number, b_digits)): ((i64, usize), (i64, usize)) =
        (number(&a[common..]), number(&b[common..]));
    (a_number, a_digits, x) < (b_number, b_digits, y)
}

/// The digits at the start of a text after `start`, overflowing as Go's integers do, and how many they are.
fn number(text: &str, start: i64) -> (i64, usize) {
    text.chars().take_while(|character| is_digit(*character)).fold((start, 0), |(value, digits), digit| {
        let digit = i64::from(u32::from(digit)) - i64::from(b'0');
        (value.wrapping_mul(10).wrapping_add(digit), digits + 1)
    })
}

fn is_letter(character: char) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{L}$").expect("a constant pattern"));
    if character.is_ascii() { character.is_ascii_alphabetic() } else { is_match(&LETTER, character) }
}

fn is_digit(character: char) -> bool {
    static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").expect("a constant pattern"));
    if character.is_ascii() { character.is_ascii_digit() } else { is_match(&DIGIT, character) }
}

fn is_match(class: &Regex, character: char) -> bool {
    class.is_match(character.encode_utf8(&mut [0; 4]))
}

/// Sorts in place and keeps the order of equals. The standard library may
/// panic where an order is not total, and this one is not (numbers overflow).
pub(crate) fn sort_by<T: Copy>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Copy) {
    const RUN: usize = 16;
    for run in items.chunks_mut(RUN) {
        insertion_sort(run, compare);
    }
    let mut merged = Vec::new();
    let mut width = RUN;
    while width < items.len() {
        for pair in items.chunks_mut(2 * width) {
            merge(pair, width, &mut merged, compare);
        }
        width *= 2;
    }
}

fn insertion_sort<T: Copy>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && compare(&items[at - 1], &items[at]) == Ordering::Greater {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

fn merge<T: Copy>(items: &mut [T], middle: usize, merged: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    if middle >= items.len() || compare(&items[middle - 1], &items[middle]) != Ordering::Greater {
        return;
    }
    merged.clear();
    let (left, right) = items.split_at(middle);
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        let from_right = compare(&left[l], &right[r]) == Ordering::Greater;
        merged.push(if from_right { right[r] } else { left[l] });
        if from_right { r += 1 } else { l += 1 }
    }
    merged.extend_from_slice(&left[l..]);
    merged.extend_from_slice(&right[r..]);
    items.copy_from_slice(merged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_natural_order() {
        let mut keys = ["b10", "b9", "A", "_z", "a-10", "a-02", "a-1", "a", "a.b", "aa", "é", "z", "1", "01", "10"];
        sort_by(&mut keys, |a, b| compare(a, b));
        assert_eq!(keys, ["_z", "1", "01", "10", "A", "a", "a-1", "a-02", "a-10", "a.b", "aa", "b9", "b10", "z", "é"]);
    }

    proptest::proptest! {
        #[test]
        fn ascii_is_compared_as_any_text_is(start in "[a0-2_]{0,3}", a in "[ab0-2A_-]{1,4}", b in "[ab0-2A_-]{1,4}") {
            let (a, b) = (start.clone() + &a, start + &b);
            let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
            if common < a.len().min(b.len()) {
                proptest::prop_assert_eq!(less_ascii(a.as_bytes(), b.as_bytes(), common), less(&a, &b, common), "{} {}", a, b);
            }
        }
    }

    #[test]
    fn sorting_is_stable_for_any_length() {
        for length in [0, 1, 15, 16, 17, 33, 100, 257] {
            let mut items: Vec<(usize, usize)> = (0..length).map(|at| ((at * 7919) % 10, at)).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            sort_by(&mut items, |a, b| a.0.cmp(&b.0));
            assert_eq!(items, expected);
        }
    }
}
