//! KRM functions: programs and containers that change or make resources by
//! reading a ResourceList and writing another.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::{PluginError, Plugins, resource_list};
use crate::generate::BoxError;
use crate::kustomization::decode;
use crate::program::{self, ProgramCall};
use crate::resource::Resource;
use crate::yaml::{self, Limits, SourceText};

/// What the annotation of a configuration says about the function to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct FunctionSpec {
    /// Accepted and, as nothing runs after a failure, without effect.
    defer_failure: bool,
    container: ContainerSpec,
    exec: ExecSpec,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ExecSpec {
    path: String,
    args: Vec<String>,
    envs: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ContainerSpec {
    image: String,
    network: bool,
    mounts: Vec<Mount>,
    envs: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Mount {
    #[serde(rename = "type")]
    kind: String,
    src: String,
    dst: String,
    rw: bool,
}

impl FunctionSpec {
    /// The function that a configuration asks for, if it asks for one.
    pub(super) fn of(config: &Resource) -> Result<Option<Self>, BoxError> {
        let annotation = |key: &str| config.annotation(key).filter(|text| !text.is_empty());
        let text = annotation("config.kubernetes.io/function").or_else(|| annotation("config.k8s.io/function"));
        if let Some(text) = text {
            let doc = yaml::parse_v2(Arc::new(SourceText { text: text.to_owned() }), &Limits::new())?;
            return Ok(Some(decode::strict(&doc, doc.root()).map_err(|source| PluginError::Decode { source })?));
        }
        let doc = config.doc();
        let inline =
            config.metadata().and_then(|metadata| doc.get(metadata, "configFn")).filter(|node| !doc.is_null(*node));
        if let Some(node) = inline {
            return Ok(Some(decode::strict(doc, node).map_err(|source| PluginError::Decode { source })?));
        }
        let image = annotation("config.kubernetes.io/container").map(str::to_owned);
        let container = image.map(|image| ContainerSpec { image, ..ContainerSpec::default() });
        Ok(container.map(|container| Self { container, ..Self::default() }))
    }

    /// The mounts of a configuration must be below its kustomization.
    fn check_mounts(&self) -> Result<(), PluginError> {
        for Mount { src, .. } in &self.container.mounts {
            let path = Path::new(src);
            if path.is_absolute() || clean(path).starts_with("..") {
                return Err(PluginError::Mount { path: path.to_owned() });
            }
        }
        Ok(())
    }
}

/// A function that is ready to run.
#[derive(Debug)]
pub(crate) struct Function {
    plugins: Plugins,
    config: Resource,
    call: ProgramCall,
}

impl Function {
    pub(super) fn new(
        spec: &FunctionSpec,
        config: &Resource,
        plugins: &Plugins,
        root: Option<PathBuf>,
    ) -> Result<Self, PluginError> {
        spec.check_mounts()?;
        let root = root.filter(|root| root.is_absolute() && root.parent().is_some()).ok_or(PluginError::NoDirectory)?;
        let mut call = if !spec.container.image.is_empty() {
            container_call(&spec.container, plugins, &root)?
        } else if spec.exec.path.is_empty() {
            return Err(PluginError::Incomplete { problem: "it names neither an image nor a program".to_owned() });
        } else if plugins.exec {
            exec_call(&spec.exec, plugins, &root)
        } else {
            return Err(PluginError::ExecNotEnabled { program: spec.exec.path.clone() });
        };
        call.directory = Some(root);
        call.shows_stderr = true;
        Ok(Self { plugins: plugins.clone(), config: config.clone(), call })
    }

    /// What it makes of resources.
    pub(super) fn transform(&self, resources: &[Resource]) -> Result<Vec<Resource>, BoxError> {
        self.run(resource_list::transformer_input(resources, &self.config)?)
    }

    /// What it makes of nothing but its configuration.
    pub(super) fn generate(&self) -> Result<Vec<Resource>, BoxError> {
        self.run(resource_list::generator_input(&self.config)?)
    }

    fn run(&self, input: String) -> Result<Vec<Resource>, BoxError> {
        let call = ProgramCall { stdin: input.into_bytes(), ..self.call.clone() };
        let output = program::run(&*self.plugins.programs, &call)?;
        let mut made = resource_list::read_output(output, &call.program)?;
        resource_list::default_paths(&mut made);
        Ok(made)
    }
}

fn exec_call(spec: &ExecSpec, plugins: &Plugins, root: &Path) -> ProgramCall {
    // Where the system looks for a relative path after a change of directory is not certain.
    let program = if spec.path.contains('/') { clean(&root.join(&spec.path)) } else { PathBuf::from(&spec.path) };
    let variables: BTreeMap<&str, &str> =
        spec.envs.iter().chain(&plugins.env).filter_map(|variable| assignment(variable)).collect();
    let call = ProgramCall::new(program).args(&spec.args);
    variables.into_iter().fold(call, |call, (name, value)| call.env(name, value))
}

/// Name and value of `NAME=value`; like kustomize, does not take a value that contains `=`.
fn assignment(variable: &str) -> Option<(&str, &str)> {
    variable.split_once('=').filter(|(_, value)| !value.contains('='))
}

fn container_call(spec: &ContainerSpec, plugins: &Plugins, root: &Path) -> Result<ProgramCall, PluginError> {
    if spec.network && !plugins.network {
        return Err(PluginError::Network { image: spec.image.clone() });
    }
    let network = if spec.network { "host" } else { "none" };
    let user = plugins.user.as_deref().unwrap_or("nobody");
    let mut call = ProgramCall::new("docker")
        .args(["run", "--rm", "-i", "-a", "STDIN", "-a", "STDOUT", "-a", "STDERR", "--network", network])
        .args(["--user", user, "--security-opt=no-new-privileges"]);
    for mount in spec.mounts.iter().cloned().chain(plugins.mounts.iter().map(|mount| parse_mount(mount))) {
        call = call.arg("--mount").arg(mount_option(&mount, root));
    }
    Ok(environment(&spec.envs, &plugins.env).fold(call, |call, variable| call.arg("-e").arg(variable)).arg(&spec.image))
}

/// The variables of a container: those with a value sorted, then those that are
/// passed on. The caller's win over the configuration's; so do kustomize's own
/// two, unless the caller sets them.
fn environment<'a>(declared: &'a [String], given: &'a [String]) -> impl Iterator<Item = String> {
    const OWN: [&str; 2] = ["LOG_TO_STDERR=true", "STRUCTURED_RESULTS=true"];
    let mut values: BTreeMap<&'a str, &'a str> = BTreeMap::new();
    let mut passed_on: Vec<&'a str> = Vec::new();
    for variable in declared.iter().map(String::as_str).chain(OWN).chain(given.iter().map(String::as_str)) {
        match variable.split_once('=') {
            Some((name, value)) => {
                values.insert(name, value);
            }
            None if passed_on.contains(&variable) => {}
            None => passed_on.push(variable),
        }
    }
    let values = values.into_iter().map(|(name, value)| format!("{name}={value}"));
    values.chain(passed_on.into_iter().map(str::to_owned))
}

/// A mount as `--mount` of kustomize has it: `type=bind,src=dir,dst=/dir,rw=true`.
fn parse_mount(text: &str) -> Mount {
    let mut mount = Mount::default();
    for (key, value) in text.split(',').filter_map(|option| option.split_once('=')) {
        match key {
            "type" => mount.kind = value.to_owned(),
            "src" | "source" => mount.src = value.to_owned(),
            "dst" | "target" => mount.dst = value.to_owned(),
            "rw" if value == "true" => mount.rw = true,
            _ => {}
        }
    }
    mount
}

/// A mount as `--mount` of docker has it; docker wants an absolute source.
fn mount_option(mount: &Mount, root: &Path) -> OsString {
    let mut option = OsString::from(format!("type={},source=", mount.kind));
    option.push(clean(&root.join(&mount.src)));
    option.push(format!(",target={}{}", mount.dst, if mount.rw { "" } else { ",readonly" }));
    option
}

/// Without `.`, and without `..` where a name comes before it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some() => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::ProgramOutput;
    use crate::program::recorder::Recorder;

    fn config(function: &str) -> Resource {
        let function = function.replace('\n', "\n      ");
        let text = format!(
            "apiVersion: my/v1\nkind: Fn\nmetadata:\n  name: f\n  annotations:\n    config.kubernetes.io/function: |\n      \
             {function}\n"
        );
        let doc = yaml::parse_text(Arc::new(SourceText { text }), &Limits::new()).expect("valid");
        Resource::new(doc.expect("a document"))
    }

    fn plugins() -> (Arc<Recorder>, Plugins) {
        let recorder = Arc::new(Recorder::new(|call| ProgramOutput::new(call.stdin.clone())));
        let plugins = Plugins::new(recorder.clone());
        (recorder, plugins)
    }

    fn called(function: &str, adjust: impl FnOnce(Plugins) -> Plugins) -> Result<ProgramCall, BoxError> {
        let (recorder, plugins) = plugins();
        let config = config(function);
        let spec = FunctionSpec::of(&config)?.expect("a function");
        Function::new(&spec, &config, &adjust(plugins), Some("/app".into()))?.generate()?;
        Ok(recorder.calls().remove(0))
    }

    #[test]
    fn a_container_is_run_by_docker_as_kustomize_does() {
        let plain = called("container:\n  image: gcr.io/fn:v1", |plugins| plugins).expect("run");
        assert_eq!(
            plain.to_string(),
            "docker run --rm -i -a STDIN -a STDOUT -a STDERR --network none --user nobody \
             --security-opt=no-new-privileges -e LOG_TO_STDERR=true -e STRUCTURED_RESULTS=true gcr.io/fn:v1"
        );
        assert_eq!(plain.directory.as_deref(), Some(Path::new("/app")));
        let spec = "container:\n  image: fn\n  network: true\n  envs: [B=1, KEEP, LOG_TO_STDERR=false]\n  mounts:\n  \
                    - {type: bind, src: ./data/../in, dst: /in}";
        let full = called(spec, |plugins| {
            plugins.network().user("10:20").mount("type=bind,source=/etc,target=/etc,rw=true").env("A=2").env("B=3")
        });
        assert_eq!(
            full.expect("run").to_string(),
            "docker run --rm -i -a STDIN -a STDOUT -a STDERR --network host --user 10:20 \
             --security-opt=no-new-privileges --mount type=bind,source=/app/in,target=/in,readonly --mount \
             type=bind,source=/etc,target=/etc -e A=2 -e B=3 -e LOG_TO_STDERR=true -e STRUCTURED_RESULTS=true -e KEEP fn"
        );
    }

    #[test]
    fn a_program_gets_arguments_and_environment() {
        let spec = "exec:\n  path: ./fn.sh\n  args: [a, b]\n  envs: [X=1, Y=1, Z=a=b]";
        let call = called(spec, |plugins| plugins.exec().env("Y=2")).expect("run");
        assert_eq!(call.to_string(), "/app/fn.sh a b");
        assert_eq!(call.env, [("X".into(), "1".into()), ("Y".into(), "2".into())]);
        assert!(call.shows_stderr);
    }

    #[test]
    fn what_the_caller_has_not_allowed_is_refused() {
        let error = |spec: &str| called(spec, |plugins| plugins).expect_err("refused").to_string();
        assert_eq!(error("exec:\n  path: fn"), "the build may not run the program fn");
        assert_eq!(error("container:\n  image: i\n  network: true"), "the build may not give the network to i");
        for src in ["/etc", "../x", "a/../../x"] {
            let spec = format!("container:\n  image: i\n  mounts: [{{type: bind, src: {src}, dst: /x}}]");
            assert!(error(&spec).contains("is not below the kustomization"), "{src}");
        }
    }

    #[test]
    fn older_ways_to_name_a_function_work() {
        let legacy = |metadata: &str| {
            let text = format!("kind: Fn\nmetadata: {metadata}\n");
            let doc = yaml::parse_text(Arc::new(SourceText { text }), &Limits::new()).expect("valid").expect("one");
            FunctionSpec::of(&Resource::new(doc)).expect("valid").map(|spec| spec.container.image)
        };
        assert_eq!(legacy("{configFn: {container: {image: a}}}").as_deref(), Some("a"));
        assert_eq!(legacy("{annotations: {config.kubernetes.io/container: b}}").as_deref(), Some("b"));
        assert_eq!(legacy("{annotations: {config.k8s.io/function: 'container: {image: c}'}}").as_deref(), Some("c"));
        assert_eq!(legacy("{}"), None);
    }
}
