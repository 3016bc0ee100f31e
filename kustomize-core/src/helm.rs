//! Helm charts: kustomize's HelmChartInflationGenerator, which renders them
//! with the user's `helm`.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::generate::{BoxError, ReadFile};
use crate::kustomization::{HelmChart, HelmGlobals};
use crate::program::{self, ProgramCall, ProgramError, Programs};

/// Allows a build to render Helm charts, and says how.
///
/// Rendering runs `helm`, which reads and writes files and may open
/// connections: the charts that are not below the kustomization's `charts`
/// directory are pulled into it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Helm {
    /// What runs `helm`.
    pub programs: Arc<dyn Programs>,
    /// The program, `helm` by default.
    pub command: String,
    /// `--api-versions` for charts that name none.
    pub api_versions: Vec<String>,
    /// `--kube-version` for charts that name none.
    pub kube_version: String,
    /// Adds `--debug` to the rendering.
    pub debug: bool,
}

impl Helm {
    /// `helm`, run by `programs`.
    pub fn new(programs: Arc<dyn Programs>) -> Self {
        Self {
            programs,
            command: "helm".to_owned(),
            api_versions: Vec::new(),
            kube_version: String::new(),
            debug: false,
        }
    }

    /// Sets the program.
    #[must_use]
    pub fn command(self, command: impl Into<String>) -> Self {
        Self { command: command.into(), ..self }
    }

    /// Sets `--api-versions` for charts that name none.
    #[must_use]
    pub fn api_versions(self, api_versions: Vec<String>) -> Self {
        Self { api_versions, ..self }
    }

    /// Sets `--kube-version` for charts that name none.
    #[must_use]
    pub fn kube_version(self, kube_version: impl Into<String>) -> Self {
        Self { kube_version: kube_version.into(), ..self }
    }

    /// Adds `--debug` to the rendering.
    #[must_use]
    pub fn debug(self) -> Self {
        Self { debug: true, ..self }
    }
}

/// Why a Helm chart could not be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelmError {
    /// The caller has not allowed it.
    #[error("the Helm chart {chart} is not rendered, because the build may not run helm")]
    NotEnabled {
        /// The chart.
        chart: String,
    },
    /// The kustomization is not in the file system, where `helm` could work on it.
    #[error("the Helm chart {chart} cannot be rendered, because the kustomization is not in the file system")]
    NotInFileSystem {
        /// The chart.
        chart: String,
    },
    /// Every chart needs a name.
    #[error("a Helm chart has no name")]
    NoName,
    /// `valuesMerge` has an unknown value.
    #[error("valuesMerge of the Helm chart {chart} is `{given}` instead of merge, override or replace")]
    ValuesMerge {
        /// The chart.
        chart: String,
        /// What is given.
        given: String,
    },
    /// A values file could not be read.
    #[error("cannot read the values {file} of the Helm chart {chart}")]
    Read {
        /// The chart.
        chart: String,
        /// The file.
        file: String,
        /// What the file source says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The chart's values and the inline ones could not be merged.
    #[error("cannot merge the values of the Helm chart {chart}")]
    Values {
        /// The chart.
        chart: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A temporary file for `helm` could not be made.
    #[error("cannot write the temporary file {} for helm", path.display())]
    Temporary {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The chart is not there, and no repository is named from which it could be pulled.
    #[error("the Helm chart {chart} is not at {} and has no repo to pull it from", path.display())]
    NoRepository {
        /// The chart.
        chart: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// `helm` failed.
    #[error("cannot render the Helm chart {chart}")]
    Run {
        /// The chart.
        chart: String,
        /// What happened.
        source: ProgramError,
    },
    /// `helm version` does not say a version.
    #[error("`helm version --short` says no version: {output}")]
    NoVersion {
        /// What it says.
        output: String,
    },
    /// This `helm` is not supported.
    #[error("helm 3 or 4 is needed, but this is helm {version}")]
    Version {
        /// Its version.
        version: String,
    },
}

type Merge<'a> = &'a dyn Fn(&[u8], &[u8]) -> Result<Vec<u8>, BoxError>;

/// Where a kustomization with charts is.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// Its directory in the file system.
    pub(crate) root: &'a Path,
    /// Reads files as the kustomization may.
    pub(crate) read_file: ReadFile<'a>,
    /// Merges the second YAML text over the first.
    pub(crate) merge: Merge<'a>,
}

/// The manifests of a chart, as `helm` prints them.
pub(crate) fn template(
    chart: &HelmChart,
    globals: &HelmGlobals,
    helm: &Helm,
    site: Site<'_>,
) -> Result<Vec<u8>, HelmError> {
    let job = Job::new(chart, globals, helm, site)?;
    job.check_version()?;
    job.pull_if_missing()?;
    let values = job.write_values()?;
    job.run(job.template_args(&values))
}

/// What to do with `valuesInline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValuesMerge {
    /// It goes over the chart's values.
    Override,
    /// The chart's values go over it.
    Merge,
    /// It stands alone.
    Replace,
}

struct Job<'a> {
    chart: &'a HelmChart,
    helm: &'a Helm,
    site: Site<'a>,
    /// Relative to the kustomization, unless `chartHome` is absolute.
    chart_home: PathBuf,
    config_home: PathBuf,
    values_merge: ValuesMerge,
    temporary: TempDir,
}

impl<'a> Job<'a> {
    fn new(chart: &'a HelmChart, globals: &'a HelmGlobals, helm: &'a Helm, site: Site<'a>) -> Result<Self, HelmError> {
        if chart.name.is_empty() {
            return Err(HelmError::NoName);
        }
        let values_merge = values_merge(chart)?;
        let temporary = tempfile::Builder::new().prefix("kustomize-helm-").tempdir();
        let temporary = temporary.map_err(|source| HelmError::Temporary { path: std::env::temp_dir(), source })?;
        let config_home = match globals.config_home.as_str() {
            "" => temporary.path().join("helm"),
            given => PathBuf::from(given),
        };
        let job =
            Self { chart, helm, site, chart_home: chart_home(chart, globals), config_home, values_merge, temporary };
        for file in &chart.additional_values_files {
            job.read(file)?;
        }
        Ok(job)
    }

    fn name(&self) -> String {
        self.chart.name.clone()
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, HelmError> {
        (self.site.read_file)(file).map_err(|source| HelmError::Read {
            chart: self.name(),
            file: file.to_owned(),
            source,
        })
    }

    /// Where the chart is or will be.
    fn chart_dir(&self) -> PathBuf {
        clean_join(self.site.root, &self.chart_home.join(&self.chart.name))
    }

    fn check_version(&self) -> Result<(), HelmError> {
        let output = self.run(vec!["version".into(), "--short".into()])?;
        let output = String::from_utf8_lossy(&output);
        let version =
            version_in(&output).ok_or_else(|| HelmError::NoVersion { output: output.trim_end().to_owned() })?;
        match version.split('.').next() {
            Some("3" | "4") => Ok(()),
            _ => Err(HelmError::Version { version: version.to_owned() }),
        }
    }

    fn pull_if_missing(&self) -> Result<(), HelmError> {
        let path = self.chart_dir();
        if fs::metadata(&path).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        if self.chart.repo.is_empty() {
            return Err(HelmError::NoRepository { chart: self.name(), path });
        }
        self.run(self.pull_args()).map(drop)
    }

    fn pull_args(&self) -> Vec<OsString> {
        let HelmChart { name, version, repo, devel, .. } = self.chart;
        let home = clean_join(self.site.root, &self.chart_home);
        let mut args: Vec<OsString> = vec!["pull".into(), "--untar".into(), "--untardir".into(), home.into()];
        if repo.starts_with("oci://") {
            args.push(format!("{}/{name}", repo.strip_suffix('/').unwrap_or(repo)).into());
        } else {
            args.extend(["--repo", repo, name].map(OsString::from));
        }
        if !version.is_empty() {
            args.extend(["--version", version].map(OsString::from));
        }
        if *devel {
            args.push("--devel".into());
        }
        args
    }

    /// The values file that `helm` is given: a copy of the chart's, or what
    /// `valuesInline` makes of it.
    fn write_values(&self) -> Result<PathBuf, HelmError> {
        let inline = serde_json::to_vec(&self.chart.values_inline).unwrap_or_default();
        let values = match self.values_merge {
            _ if self.chart.values_inline.is_empty() => self.chart_values()?,
            ValuesMerge::Replace => self.merged(&inline, b"{}")?,
            ValuesMerge::Override => self.merged(&self.chart_values()?, &inline)?,
            ValuesMerge::Merge => self.merged(&inline, &self.chart_values()?)?,
        };
        let path = self.temporary.path().join(format!("{}-kustomize-values.yaml", self.chart.name));
        fs::write(&path, values).map_err(|source| HelmError::Temporary { path: path.clone(), source })?;
        Ok(path)
    }

    fn merged(&self, below: &[u8], above: &[u8]) -> Result<Vec<u8>, HelmError> {
        (self.site.merge)(below, above).map_err(|source| HelmError::Values { chart: self.name(), source })
    }

    fn chart_values(&self) -> Result<Vec<u8>, HelmError> {
        if !self.chart.values_file.is_empty() {
            return self.read(&self.chart.values_file);
        }
        self.read(&self.chart_home.join(&self.chart.name).join("values.yaml").to_string_lossy())
    }

    fn template_args(&self, values: &Path) -> Vec<OsString> {
        let chart = self.chart;
        let mut args: Vec<OsString> = vec!["template".into()];
        let release = if chart.release_name.is_empty() { "--generate-name" } else { &chart.release_name };
        args.extend([release.into(), self.chart_dir().into()]);
        let mut option = |name: &str, value: OsString| {
            if !value.is_empty() {
                args.extend([name.into(), value]);
            }
        };
        option("--namespace", (&chart.namespace).into());
        option("--name-template", (&chart.name_template).into());
        option("-f", values.into());
        for file in &chart.additional_values_files {
            option("-f", clean_join(self.site.root, Path::new(file)).into());
        }
        let api_versions = if chart.api_versions.is_empty() { &self.helm.api_versions } else { &chart.api_versions };
        for version in api_versions {
            option("--api-versions", version.into());
        }
        let kube_version = if chart.kube_version.is_empty() { &self.helm.kube_version } else { &chart.kube_version };
        option("--kube-version", kube_version.into());
        let flags = [
            (chart.include_crds, "--include-crds"),
            (chart.skip_tests, "--skip-tests"),
            (chart.skip_hooks, "--no-hooks"),
            (chart.debug || self.helm.debug, "--debug"),
            (chart.devel, "--devel"),
        ];
        args.extend(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag.into()));
        args
    }

    fn run(&self, args: Vec<OsString>) -> Result<Vec<u8>, HelmError> {
        let home = |below: &str| {
            let mut home = self.config_home.clone().into_os_string();
            home.push(below);
            home
        };
        let call = ProgramCall::new(&self.helm.command)
            .args(args)
            .env("HELM_CONFIG_HOME", home(""))
            .env("HELM_CACHE_HOME", home("/.cache"))
            .env("HELM_DATA_HOME", home("/.data"));
        program::run(&*self.helm.programs, &call).map_err(|source| HelmError::Run { chart: self.name(), source })
    }
}

fn values_merge(chart: &HelmChart) -> Result<ValuesMerge, HelmError> {
    match chart.values_merge.as_str() {
        "" | "override" => Ok(ValuesMerge::Override),
        "merge" => Ok(ValuesMerge::Merge),
        "replace" => Ok(ValuesMerge::Replace),
        given => Err(HelmError::ValuesMerge { chart: chart.name.clone(), given: given.to_owned() }),
    }
}

/// The directory with the charts. One for each version if they are pulled, so
/// that two kustomizations may use two versions.
fn chart_home(chart: &HelmChart, globals: &HelmGlobals) -> PathBuf {
    let home = if globals.chart_home.is_empty() { "charts" } else { &globals.chart_home };
    let home = PathBuf::from(home);
    if chart.version.is_empty() || chart.repo.is_empty() {
        return home;
    }
    home.join(format!("{}-{}", chart.name, chart.version))
}

/// As Go's `filepath.Join`: without `.` and `..`, by name.
fn clean_join(root: &Path, path: &Path) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in root.join(path).components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                joined.pop();
            }
            other => joined.push(other),
        }
    }
    joined
}

/// The first `1.2` or `v1.2.3` in a text, without the `v`.
fn version_in(text: &str) -> Option<&str> {
    let starts = text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| &text[at..]);
    starts.filter_map(version_at).next()
}

fn version_at(text: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(text);
    let mut parts = 1;
    while text[end..].starts_with('.') {
        let more = digits(&text[end + 1..]);
        if more == 0 {
            break;
        }
        end += 1 + more;
        parts += 1;
    }
    (parts > 1).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ProgramOutput;
    use crate::program::recorder::Recorder;

    const MANIFEST: &str = "kind: ConfigMap\n";

    fn stand_in() -> Arc<Recorder> {
        Arc::new(Recorder::new(|call| {
            let first = call.args.first().and_then(|arg| arg.to_str());
            ProgramOutput::new(if first == Some("version") { "v3.14.2+gabc\n" } else { MANIFEST })
        }))
    }

    struct Run {
        result: Result<Vec<u8>, HelmError>,
        calls: Vec<ProgramCall>,
        root: TempDir,
    }

    impl Run {
        /// The calls with the temporary directories' names taken out.
        fn lines(&self) -> Vec<String> {
            let root = self.root.path().to_string_lossy().into_owned();
            let tidy = |call: &ProgramCall| {
                let line = call.to_string().replace(&root, "ROOT");
                line.split(' ')
                    .map(|word| {
                        word.rsplit_once("/kustomize-helm-").map_or(word.to_owned(), |(_, rest)| {
                            format!("TMP/{}", rest.split_once('/').map_or("", |(_, name)| name))
                        })
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            self.calls.iter().map(tidy).collect()
        }
    }

    fn run(chart: &HelmChart, present: bool, adjust: impl FnOnce(Helm) -> Helm) -> Run {
        let root = tempfile::tempdir().expect("temporary directory");
        if present {
            fs::create_dir_all(root.path().join("charts").join(&chart.name)).expect("created");
        }
        let recorder = stand_in();
        let helm = adjust(Helm::new(recorder.clone()));
        let site = Site {
            root: root.path(),
            read_file: &|file| Ok(format!("file: {file}\n").into_bytes()),
            merge: &|below, above| Ok([below, b" <- ", above].concat()),
        };
        let result = template(chart, &HelmGlobals::default(), &helm, site);
        Run { result, calls: recorder.calls(), root }
    }

    fn chart(name: &str) -> HelmChart {
        HelmChart { name: name.into(), ..HelmChart::default() }
    }

    #[test]
    fn a_chart_that_is_there_is_rendered() {
        let run = run(&chart("web"), true, |helm| helm);
        assert_eq!(run.result.as_deref().ok(), Some(MANIFEST.as_bytes()));
        let expected =
            ["helm version --short", "helm template --generate-name ROOT/charts/web -f TMP/web-kustomize-values.yaml"];
        assert_eq!(run.lines(), expected);
        let names: Vec<_> = run.calls[1].env.iter().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(names, ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"]);
    }

    #[test]
    fn a_missing_chart_is_pulled() {
        let mut chart = HelmChart { repo: "https://charts.example".into(), version: "1.2.3".into(), ..chart("web") };
        chart.devel = true;
        let run_https = run(&chart, false, |helm| helm);
        assert_eq!(
            run_https.lines()[1],
            "helm pull --untar --untardir ROOT/charts/web-1.2.3 --repo https://charts.example web --version 1.2.3 --devel"
        );
        chart.repo = "oci://registry.example/charts/".into();
        let run_oci = run(&chart, false, |helm| helm);
        assert_eq!(
            run_oci.lines()[1],
            "helm pull --untar --untardir ROOT/charts/web-1.2.3 oci://registry.example/charts/web --version 1.2.3 --devel"
        );
        chart.repo.clear();
        assert!(matches!(run(&chart, false, |helm| helm).result, Err(HelmError::NoRepository { .. })));
    }

    #[test]
    fn every_setting_has_its_flag() {
        let chart = HelmChart {
            release_name: "rel".into(),
            namespace: "ns".into(),
            name_template: "{{x}}".into(),
            additional_values_files: vec!["more/../extra.yaml".into()],
            include_crds: true,
            skip_tests: true,
            skip_hooks: true,
            ..chart("web")
        };
        let run = run(&chart, true, |helm| {
            helm.api_versions(vec!["a/v1".into(), "b/v1".into()]).kube_version("1.30").debug().command("helm4")
        });
        assert_eq!(
            run.lines()[1],
            "helm4 template rel ROOT/charts/web --namespace ns --name-template {{x}} -f TMP/web-kustomize-values.yaml \
             -f ROOT/extra.yaml --api-versions a/v1 --api-versions b/v1 --kube-version 1.30 --include-crds --skip-tests \
             --no-hooks --debug"
        );
    }

    #[test]
    fn inline_values_are_merged_as_told() {
        let inline = serde_json::from_str(r#"{"a":1}"#).expect("JSON");
        for (how, expected) in [
            ("", "file: charts/web/values.yaml\n <- {\"a\":1}"),
            ("merge", "{\"a\":1} <- file: charts/web/values.yaml\n"),
            ("replace", "{\"a\":1} <- {}"),
        ] {
            let chart =
                HelmChart { values_merge: how.into(), values_inline: serde_json::Map::clone(&inline), ..chart("web") };
            let seen = Arc::new(std::sync::Mutex::new(String::new()));
            let writer = Arc::clone(&seen);
            let recorder = Arc::new(Recorder::new(move |call| {
                if let Some(at) = call.args.iter().position(|arg| arg == "-f") {
                    *writer.lock().expect("no panic") = fs::read_to_string(&call.args[at + 1]).expect("written");
                }
                ProgramOutput::new("v3.1.0")
            }));
            let root = tempfile::tempdir().expect("temporary directory");
            fs::create_dir_all(root.path().join("charts/web")).expect("created");
            let site = Site {
                root: root.path(),
                read_file: &|file| Ok(format!("file: {file}\n").into_bytes()),
                merge: &|below, above| Ok([below, b" <- ", above].concat()),
            };
            template(&chart, &HelmGlobals::default(), &Helm::new(recorder), site).expect("rendered");
            assert_eq!(*seen.lock().expect("no panic"), expected, "{how}");
        }
        let chart = HelmChart { values_merge: "other".into(), ..chart("web") };
        assert!(matches!(run(&chart, true, |helm| helm).result, Err(HelmError::ValuesMerge { .. })));
    }

    #[test]
    fn only_helm_3_and_4_will_do() {
        for (output, version) in
            [("v3.14.2+gabc", Some("3.14.2")), ("Client: v2.16", Some("2.16")), ("4.0", Some("4.0")), ("v3", None)]
        {
            assert_eq!(version_in(output), version, "{output}");
        }
    }
}
