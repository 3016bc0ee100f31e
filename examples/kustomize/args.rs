//! Command lines as kustomize's: flags anywhere, `--name value` or `--name=value`, `--` ends them.

/// What a command takes.
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    /// The letter of the short form.
    pub(crate) short: Option<char>,
    /// A switch takes a value only as `--name=false`.
    pub(crate) is_switch: bool,
}

/// A flag with a value.
pub(crate) const fn value(name: &'static str) -> Flag {
    Flag { name, short: None, is_switch: false }
}

/// A flag without one.
pub(crate) const fn switch(name: &'static str) -> Flag {
    Flag { name, short: None, is_switch: true }
}

impl Flag {
    /// The same flag with a short form.
    pub(crate) const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }
}

/// A parsed command line.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<String>,
    flags: Vec<(&'static str, String)>,
}

impl Args {
    /// The last value of a flag.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// The last value of a flag; empty if it is not given.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Every value of a flag that may be given more than once.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "true" | "1" | "t" | "T" | "TRUE" | "True"))
    }
}

/// Reads a command line by the flags that the command takes.
pub(crate) fn parse(args: &[String], flags: &[Flag]) -> Result<Args, String> {
    let mut parsed = Args::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            parsed.positional.extend(rest.cloned());
            break;
        }
        let (flag, inline) = match (arg.strip_prefix("--"), arg.strip_prefix('-')) {
            (Some(long), _) => {
                let (name, inline) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let flag = flags.iter().find(|flag| flag.name == name);
                (flag.ok_or_else(|| format!("unknown flag: --{name}"))?, inline.map(str::to_owned))
            }
            (None, Some(short)) if !short.is_empty() => short_flag(short, flags)?,
            _ => {
                parsed.positional.push(arg.clone());
                continue;
            }
        };
        let value = match (inline, flag.is_switch) {
            (Some(value), _) => value,
            (None, true) => "true".to_owned(),
            (None, false) => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: --{}", flag.name))?,
        };
        parsed.flags.push((flag.name, value));
    }
    Ok(parsed)
}

/// `-o`, `-ofile` or `-o=file`.
fn short_flag<'a>(short: &str, flags: &'a [Flag]) -> Result<(&'a Flag, Option<String>), String> {
    let mut chars = short.chars();
    let letter = chars.next();
    let flag = flags.iter().find(|flag| flag.short.is_some() && flag.short == letter);
    let flag = flag.ok_or_else(|| format!("unknown shorthand flag: '{}' in -{short}", letter.unwrap_or_default()))?;
    let inline = chars.as_str();
    let inline = inline.strip_prefix('=').unwrap_or(inline);
    Ok((flag, (!inline.is_empty()).then(|| inline.to_owned())))
}
