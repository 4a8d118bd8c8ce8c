//! Where values come from, and which one wins, in rising order: default, config file, environment, flag.

use std::fmt;
use std::path::{Path, PathBuf};

use super::kind::Value;
use super::secret::{self, masked, masked_raw};
use super::table::{self, Row, TABLE, find_in_file};

/// The variable that names the config file when `--config` does not.
pub const CONFIG_VARIABLE: &str = "FLORIN_CONFIG";

/// What settings are read for. It picks defaults, and decides what must be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `florin serve`: the servers must be named, and nothing may be open to everybody by accident.
    Serve,
    /// `florin dev`: everything is embedded.
    Dev,
    /// Any other command: nothing must be set.
    Tool,
}

/// All that was given, not read yet.
#[derive(Clone, Default)]
pub struct Sources {
    /// Its path and its text.
    pub file: Option<(PathBuf, String)>,
    /// Names of variables, and their values.
    pub environment: Vec<(String, String)>,
    /// Names of settings, and their values.
    pub flags: Vec<(String, String)>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    /// The name of the variable.
    Environment(String),
    Flag,
    /// The file of a secret, which another place named.
    SecretFile(String),
}

/// One setting that is in force.
#[derive(Clone)]
pub struct Entry {
    pub row: &'static Row,
    pub value: Value,
    pub origin: Origin,
}

/// All that is wrong with the settings, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl Sources {
    /// Reads the process's environment (only names of the table, in any spelling) and the config file, if one is named.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(config: Option<&Path>, flags: Vec<(String, String)>) -> Result<Self, Problems> {
        let named = std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let file = match config.map(Path::to_path_buf).or(named) {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| Problems(vec![format!("config file {}: {e}", path.display())]))?;
                Some((path, text))
            }
        };
        let known = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| is_known(name))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        let environment = known.collect();
        Ok(Self { file, environment, flags })
    }

    /// Picks the value of every setting.
    ///
    /// # Errors
    /// All values that are not allowed, all unknown names, and all settings with two values under two names.
    pub fn resolve(&self, mode: Mode) -> Result<Vec<Entry>, Problems> {
        let mut problems = Problems::default();
        let mut layers = [self.file_layer(&mut problems), self.environment_layer(), self.flag_layer(&mut problems)];
        layers.iter_mut().flatten().for_each(|given| given.read_file(&mut problems));
        let entries = TABLE.iter().map(|row| {
            let default = if mode == Mode::Dev { row.default_dev.unwrap_or(row.default) } else { row.default };
            let mut entry =
                Entry { row, value: row.kind.parse(default).unwrap_or(Value::None), origin: Origin::Default };
            for layer in &layers {
                if let Some((value, origin)) = pick(row, layer, &mut problems) {
                    (entry.value, entry.origin) = (value, origin);
                }
            }
            entry
        });
        let entries = entries.collect();
        problems.none().map(|()| entries)
    }

    fn file_layer(&self, problems: &mut Problems) -> Vec<Given> {
        let Some((path, text)) = &self.file else { return Vec::new() };
        let mut given = Vec::new();
        match toml::from_str::<toml::Table>(text) {
            Ok(table) => flatten("", &table, path, &mut given, problems),
            // The parser's message may quote a line, and the line may hold a secret.
            Err(e) => {
                problems.0.push(format!("config file {}: {}{}", path.display(), e.message(), line_of(text, e.span())))
            }
        }
        given.retain(|given| known(&given.name, &format!("config file {}", path.display()), problems));
        given
    }

    /// An empty variable counts as not set: compose files pass such.
    fn environment_layer(&self) -> Vec<Given> {
        let set = self.environment.iter().filter(|(_, value)| !value.trim().is_empty());
        set.map(|(name, value)| Given {
            name: table::normal(name),
            value: value.clone(),
            origin: Origin::Environment(name.clone()),
        })
        .collect()
    }

    fn flag_layer(&self, problems: &mut Problems) -> Vec<Given> {
        let given = self.flags.iter().filter(|(name, _)| known(name, "command line", problems));
        given
            .map(|(name, value)| Given { name: table::normal(name), value: value.clone(), origin: Origin::Flag })
            .collect()
    }
}

impl Problems {
    /// `Ok` if there is no problem.
    ///
    /// # Errors
    /// Itself, if there is one.
    pub fn none(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            all => {
                write!(f, "{} settings are wrong", all.len())?;
                all.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?} ({})", self.row.name, masked(self.row, &self.value), self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("command line"),
            Self::SecretFile(path) => write!(f, "file {path}"),
        }
    }
}

struct Given {
    /// As in the table.
    name: String,
    value: String,
    origin: Origin,
}

impl Given {
    /// If the name is that of a secret's file, takes the secret from there. What cannot be read gives nothing.
    fn read_file(&mut self, problems: &mut Problems) {
        if table::find(&self.name).is_some() || find_in_file(&self.name).is_none() {
            return;
        }
        let (path, name) = (std::mem::take(&mut self.value), self.name.clone());
        self.name.truncate(name.len() - "_FILE".len());
        match secret::read(Path::new(path.trim())) {
            Ok(secret) => self.value = secret,
            Err(why) => problems.0.push(format!("{name} is {path:?} ({}): {why}", self.origin)),
        }
        self.origin = Origin::SecretFile(path);
    }
}

/// The value that a layer gives to a setting: that of its most specific name. Two names of one setting must have the
/// same value.
fn pick(row: &'static Row, layer: &[Given], problems: &mut Problems) -> Option<(Value, Origin)> {
    let mut chosen: Option<(Value, &Given)> = None;
    for name in row.names() {
        for given in layer.iter().filter(|given| given.name == name) {
            let Some(value) = row.kind.parse(&given.value) else {
                let shown = masked_raw(row, &given.value);
                problems.0.push(format!("{name} is {shown} ({}): allowed is {}", given.origin, row.kind.allowed()));
                continue;
            };
            match &chosen {
                Some((first, from)) if *first != value => {
                    let shown = |value: &Value| masked(row, value);
                    let (a, b) = (&from.name, &given.name);
                    problems.0.push(format!(
                        "{a} is {} and {b} is {}: they name one setting, give it once",
                        shown(first),
                        shown(&value)
                    ));
                }
                Some(_) => {}
                None => chosen = Some((value, given)),
            }
        }
    }
    chosen.map(|(value, given)| (value, given.origin.clone()))
}

fn is_known(name: &str) -> bool {
    table::find(name).is_some() || find_in_file(name).is_some()
}

fn known(name: &str, place: &str, problems: &mut Problems) -> bool {
    let known = is_known(name);
    if !known {
        let hint = table::nearest(name)
            .map_or(String::new(), |nearest| format!("; the nearest is {}", nearest.to_ascii_lowercase()));
        problems.0.push(format!("{place}: there is no setting {name}{hint}"));
    }
    known
}

/// Tables in the file only join names: `[grpc] port = 1` is `grpc_port = 1`.
fn flatten(prefix: &str, table: &toml::Table, path: &Path, given: &mut Vec<Given>, problems: &mut Problems) {
    for (key, value) in table {
        let name = if prefix.is_empty() { table::normal(key) } else { format!("{prefix}_{}", table::normal(key)) };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&name, inner, path, given, problems);
                continue;
            }
            toml::Value::String(text) => Some(text.clone()),
            toml::Value::Array(list) => {
                list.iter().map(|one| one.as_str()).collect::<Option<Vec<_>>>().map(|list| list.join(","))
            }
            toml::Value::Integer(n) => Some(n.to_string()),
            toml::Value::Float(n) => Some(n.to_string()),
            toml::Value::Boolean(on) => Some(on.to_string()),
            toml::Value::Datetime(at) => Some(at.to_string()),
        };
        match text {
            Some(value) => given.push(Given { name, value, origin: Origin::File(path.into()) }),
            None => problems.0.push(format!(
                "config file {}: {} is a list of something other than text",
                path.display(),
                name.to_ascii_lowercase()
            )),
        }
    }
}

fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    span.map_or(String::new(), |span| {
        format!(" in line {}", text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1)
    })
}
