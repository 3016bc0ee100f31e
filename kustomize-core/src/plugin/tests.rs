//! Builds that use the three lists, with stand-ins for the programs.

use std::fs;
use std::sync::Arc;

use crate::program::ProgramOutput;
use crate::program::recorder::Recorder;
use crate::{BuildOptions, Directory, Memory, Plugins, Programs, build};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

/// What a kustomization over one Pod prints, with `plugin.yaml` beside it.
fn printed(kustomization: &str, plugin: &str) -> Result<String, String> {
    let files = Memory::new()
        .with("kustomization.yaml", format!("resources: [pod.yaml]\n{kustomization}"))
        .with("pod.yaml", POD)
        .with("plugin.yaml", plugin)
        .with("dir/kustomization.yaml", "resources: [plugin.yaml]\n")
        .with("dir/plugin.yaml", plugin);
    let built = build(&files, "", &BuildOptions::new()).map_err(|error| chain(&error))?;
    built.resources.to_yaml().map_err(|error| error.to_string())
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

const PREFIX: &str = "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\nprefix: x-\nfieldSpecs: [{path: metadata/name}]\n";

#[test]
fn an_entry_is_inline_a_file_or_a_directory() {
    let inline = format!("transformers:\n- |\n  {}\n", PREFIX.replace('\n', "\n  "));
    for entry in ["transformers: [plugin.yaml]\n", "transformers: [dir]\n", &inline] {
        let expected = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x-a\n";
        assert_eq!(printed(entry, PREFIX).as_deref(), Ok(expected), "{entry}");
    }
}

#[test]
fn a_generator_takes_its_name_from_its_metadata() {
    let config = "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: s, namespace: n}\nliterals: [k=v]\n\
                  options: {disableNameSuffixHash: true}\n";
    let printed = printed("generators: [plugin.yaml]\n", config).expect("built");
    let expected =
        "apiVersion: v1\ndata:\n  k: dg==\nkind: Secret\nmetadata:\n  name: s\n  namespace: \"n\"\ntype: Opaque\n";
    assert!(printed.contains(expected), "{printed}");
}

#[test]
fn the_kind_decides_what_an_entry_may_be() {
    let error = |kustomization: &str, kind: &str| {
        let config = format!("apiVersion: builtin\nkind: {kind}\nmetadata: {{name: p}}\n");
        printed(kustomization, &config).expect_err("refused")
    };
    for (list, kind, message) in [
        ("generators", "LabelTransformer", "LabelTransformer is not a generator"),
        ("transformers", "SecretGenerator", "SecretGenerator is not a transformer"),
        ("transformers", "SortOrderTransformer", "there is no built-in SortOrderTransformer"),
        ("transformers", "PrefixTransformer", "the configuration is not complete: it has no fieldSpecs"),
    ] {
        let error = error(&format!("{list}: [plugin.yaml]\n"), kind);
        assert!(error.ends_with(message), "{error}");
    }
    let external = printed("transformers: [plugin.yaml]\n", "apiVersion: my/v1\nkind: Mine\nmetadata: {name: m}\n");
    assert!(external.expect_err("refused").ends_with("only built-in steps may run in this build, and Mine is not one"));
}

#[test]
fn a_validator_changes_nothing() {
    let error = printed("validators: [plugin.yaml]\n", PREFIX).expect_err("refused");
    assert!(
        error.ends_with("a validator must not change resources, but this one changed Pod.v1.[noGrp]/a.[noNs]"),
        "{error}"
    );
    let empty = PREFIX.replace("prefix: x-\n", "");
    assert!(printed("validators: [plugin.yaml]\n", &empty).is_ok());
}

#[test]
fn a_value_is_added_where_targets_say() {
    let config = "apiVersion: builtin\nkind: ValueAddTransformer\nmetadata: {name: v}\nvalue: peach\ntargets:\n\
                  - {fieldPath: metadata/namespace}\n- {fieldPath: 'spec/list/[name=x]/path'}\n\
                  - {selector: {kind: Deployment}, fieldPath: spec/other}\n\
                  - {fieldPath: 'spec/list/[name=x]/path', filePathPosition: 1}\n";
    let expected = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: peach\nspec:\n  list:\n  - name: x\n    \
                    path: peach/peach\n";
    assert_eq!(printed("transformers: [plugin.yaml]\n", config).as_deref(), Ok(expected));
}

const FUNCTION: &str = "apiVersion: my/v1\nkind: Fn\nmetadata:\n  name: f\n  annotations:\n    \
                        config.kubernetes.io/function: |\n      container: {image: fn}\n";

/// A build in a directory, where programs can run.
fn with_programs(kustomization: &str, plugin: &str, programs: Arc<dyn Programs>) -> Result<String, String> {
    let dir = tempfile::tempdir().expect("temporary directory");
    let kustomization = format!("resources: [pod.yaml]\nnamePrefix: p-\n{kustomization}");
    for (name, text) in [("kustomization.yaml", kustomization.as_str()), ("pod.yaml", POD), ("plugin.yaml", plugin)] {
        fs::write(dir.path().join(name), text).expect("written");
    }
    let home = dir.path().join("home/my.org/v1/mine");
    fs::create_dir_all(&home).expect("created");
    fs::write(home.join("Mine"), "").expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(home.join("Mine"), fs::Permissions::from_mode(0o755)).expect("set");
    }
    let options = BuildOptions::new().plugins(Plugins::new(programs).home(dir.path().join("home")));
    let files = Directory::new("/").expect("opened");
    let built = build(&files, dir.path(), &options).map_err(|error| chain(&error))?;
    built.resources.to_yaml().map_err(|error| error.to_string())
}

#[test]
fn a_function_transforms_what_it_is_given() {
    let recorder =
        Arc::new(Recorder::new(|call| {
            let text = String::from_utf8_lossy(&call.stdin)
                .replace("\n    name: p-a\n", "\n    name: p-a\n  spec: {made: here}\n");
            ProgramOutput::new(text.replace(
                "functionConfig:",
                "- {apiVersion: v1, kind: Service, metadata: {name: new}}\nfunctionConfig:",
            ))
        }));
    let printed = with_programs("transformers: [plugin.yaml]\n", FUNCTION, recorder.clone()).expect("built");
    let expected = "apiVersion: v1\nkind: Service\nmetadata:\n  name: new\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  \
                    name: p-a\nspec:\n  made: here\n";
    assert_eq!(printed, expected);
    let stdin = String::from_utf8(recorder.calls()[0].stdin.clone()).expect("text");
    assert_eq!(stdin, include_str!("function_input.yaml"));
}

#[test]
fn a_function_that_generates_sees_its_configuration() {
    let recorder = Arc::new(Recorder::new(|_| {
        ProgramOutput::new(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: g\n  annotations: \
             {kustomize.config.k8s.io/needs-hash: 'true'}\ndata: {x: '1'}\n",
        )
    }));
    let printed = with_programs("generators: [plugin.yaml]\n", FUNCTION, recorder.clone()).expect("built");
    assert!(printed.contains("  name: p-g-hmg6f82fh6\n"), "{printed}");
    let stdin = String::from_utf8(recorder.calls()[0].stdin.clone()).expect("text");
    assert!(stdin.contains("kind: ResourceList\nitems:\n- apiVersion: my/v1\n  kind: Fn\n"), "{stdin}");
    assert!(stdin.contains("functionConfig:\n  apiVersion: my/v1\n"), "{stdin}");
}

#[test]
fn what_a_function_gets_wrong_is_told() {
    let answer = |output: ProgramOutput| {
        let recorder = Arc::new(Recorder::new(move |_| output.clone()));
        with_programs("transformers: [plugin.yaml]\n", FUNCTION, recorder).expect_err("refused")
    };
    let failed = answer(ProgramOutput::default().status(Some(2)));
    assert!(failed.ends_with("fn` failed with exit status 2"), "{failed}");
    let twice = answer(ProgramOutput::new(format!("{POD}---\n{POD}")));
    assert!(twice.ends_with("it gave Pod.v1.[noGrp]/a.[noNs] twice"), "{twice}");
    assert!(answer(ProgramOutput::new("a: [")).contains("is not valid YAML"));
}

#[test]
fn a_legacy_plugin_is_found_by_its_type() {
    let config = "apiVersion: my.org/v1\nkind: Mine\nmetadata: {name: m}\nargsOneLiner: one 'two three'\n";
    let recorder = Arc::new(Recorder::new(|call| ProgramOutput::new(call.stdin.clone())));
    let printed = with_programs("transformers: [plugin.yaml]\n", config, recorder.clone()).expect("built");
    assert_eq!(printed, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p-a\n");
    let call = &recorder.calls()[0];
    assert!(call.program.ends_with("home/my.org/v1/mine/Mine"));
    assert_eq!(call.args[1..], ["one", "two three"]);
    let config = call.env.iter().find(|(name, _)| name == "KUSTOMIZE_PLUGIN_CONFIG_STRING").map(|(_, value)| value);
    assert!(config.is_some_and(|config| config.to_string_lossy().starts_with("apiVersion: my.org/v1\n")));
}
