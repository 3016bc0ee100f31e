//! Floating-point numbers as Go prints them.

/// As Go's `strconv.FormatFloat(value, 'g', -1, 64)`, with YAML's names for what is no number.
pub(crate) fn general(value: f64) -> String {
    general_digits(value, &format!("{value:e}"))
}

/// The same for the nearest number of single precision.
pub(crate) fn general_f32(value: f64) -> String {
    general_digits(value, &format!("{:e}", value as f32))
}

fn general_digits(value: f64, scientific: &str) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let Some((mantissa, exponent)) = split(scientific) else { return scientific.to_owned() };
    if !(-4..FIRST_LARGE_EXPONENT).contains(&exponent) {
        with_exponent(mantissa, exponent, 2)
    } else {
        format!("{value}")
    }
}

/// From here on Go's `%g` takes an exponent when it chooses the digits itself.
const FIRST_LARGE_EXPONENT: i32 = 6;

/// As Go's `encoding/json` prints it; `None` for what JSON cannot say.
pub(crate) fn json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return Some(format!("{value}"));
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = split(&scientific)?;
    // `e-09` is cut to `e-9`, a positive exponent has two digits anyway.
    Some(with_exponent(mantissa, exponent, 1))
}

/// The parts of Rust's `1.5e-7`.
fn split(scientific: &str) -> Option<(&str, i32)> {
    let (mantissa, exponent) = scientific.split_once('e')?;
    Some((mantissa, exponent.parse().ok()?))
}

fn with_exponent(mantissa: &str, exponent: i32, digits: usize) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:0digits$}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_format_is_gos() {
        for (value, printed) in [
            (1.1, "1.1"),
            (1234567.5, "1.2345675e+06"),
            (123456.5, "123456.5"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "-0"),
            (f64::NEG_INFINITY, "-.inf"),
        ] {
            assert_eq!(general(value), printed);
        }
    }

    #[test]
    fn json_format_is_gos() {
        for (value, printed) in [
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-0.0, "-0"),
            (1.5, "1.5"),
        ] {
            assert_eq!(json(value).as_deref(), Some(printed));
        }
        assert_eq!(json(f64::NAN), None);
    }
}
