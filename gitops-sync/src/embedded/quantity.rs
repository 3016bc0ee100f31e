//! Resource quantities in the one form in which the API server writes each.

/// The canonical form of a quantity such as `0.5` (`500m`) or `1024Mi` (`1Gi`).
///
/// Text that is no quantity is returned as nothing.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    if number.is_empty() || number == "." || number.matches('.').count() > 1 {
        return None;
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = u32::try_from(fraction.len()).ok()?;
    let sign = if negative && digits != 0 { "-" } else { "" };
    let body = match binary_exponent(suffix) {
        Some(exponent) => binary(digits, scale, exponent)?,
        None => decimal(digits, scale, suffix)?,
    };
    Some(format!("{sign}{body}"))
}

const BINARY: &[&str] = &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

fn binary_exponent(suffix: &str) -> Option<u32> {
    let index = BINARY.iter().position(|known| *known == suffix)?;
    (index > 0).then_some(index as u32 * 10)
}

/// Binary quantities keep their kind of suffix; fractions that fit none become decimal.
fn binary(digits: u128, scale: u32, exponent: u32) -> Option<String> {
    let divisor = 10u128.checked_pow(scale)?;
    let bytes = digits.checked_mul(1u128.checked_shl(exponent)?)?;
    if !bytes.is_multiple_of(divisor) {
        // Rounded up to thousandths, as Go's Quantity does beyond its precision.
        let milli = bytes.checked_mul(1000)?.div_ceil(divisor);
        return decimal(milli, 3, "");
    }
    let mut bytes = bytes / divisor;
    if bytes < 1024 {
        return Some(bytes.to_string());
    }
    let mut index = 0;
    while bytes.is_multiple_of(1024) && index + 1 < BINARY.len() {
        bytes /= 1024;
        index += 1;
    }
    Some(format!("{bytes}{}", BINARY[index]))
}

const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

fn decimal(digits: u128, scale: u32, suffix: &str) -> Option<String> {
    let (exponent, scientific) = match DECIMAL.iter().find(|(known, _)| *known == suffix) {
        Some((_, exponent)) => (*exponent, false),
        None => (suffix.strip_prefix(['e', 'E'])?.parse().ok()?, true),
    };
    let mut exponent = exponent - i32::try_from(scale).ok()?;
    let mut digits = digits;
    if digits == 0 {
        return Some("0".into());
    }
    while digits.is_multiple_of(10) {
        digits /= 10;
        exponent += 1;
    }
    // Nothing is finer than a billionth.
    while exponent < -9 {
        digits = digits.div_ceil(10);
        exponent += 1;
    }
    let step = exponent.rem_euclid(3);
    digits = digits.checked_mul(10u128.checked_pow(step as u32)?)?;
    exponent -= step;
    if scientific {
        return Some(if exponent == 0 { digits.to_string() } else { format!("{digits}e{exponent}") });
    }
    while exponent > 18 {
        digits = digits.checked_mul(1000)?;
        exponent -= 3;
    }
    let suffix = DECIMAL.iter().find(|(_, known)| *known == exponent)?.0;
    Some(format!("{digits}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn quantities_have_one_form() {
        for (given, expected) in [
            ("0.5", "500m"),
            ("1000m", "1"),
            ("100m", "100m"),
            ("1024Mi", "1Gi"),
            ("1536Mi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("1e3", "1e3"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("0", "0"),
            ("-2000m", "-2"),
            ("128974848", "128974848"),
            ("12000M", "12G"),
            ("0.1Ki", "102400m"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(canonical("much"), None);
    }
}
