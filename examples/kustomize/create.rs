//! `kustomize create`: a new kustomization in the working directory.

use std::fs;
use std::path::Path;

use kustomize_core::{KustomizationFile, LabelPlace};
use serde::Deserialize;
use serde_yaml::Value;

use crate::args::{self, Args, Flag, switch, value};
use crate::edit::{Result, pair};
use crate::paths::must_exist;

const FLAGS: &[Flag] = &[
    value("resources"),
    value("namespace"),
    value("annotations"),
    value("labels"),
    value("nameprefix"),
    value("namesuffix"),
    switch("autodetect"),
    switch("recursive"),
];

/// Runs `kustomize create ARGS` in the working directory.
pub(crate) fn run(args: &[String]) -> Result {
    let args = args::parse(args, FLAGS)?;
    let patterns: Vec<String> = list(&args, "resources").map(str::to_owned).collect();
    let mut resources = must_exist(&args, &patterns)?;
    if KustomizationFile::NAMES.iter().any(|name| Path::new(name).exists()) {
        return Err("kustomization file already exists".into());
    }
    if args.is_on("autodetect") {
        detect(Path::new(""), args.is_on("recursive"), &mut resources)?;
    }
    let text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let mut file = KustomizationFile::parse(text)?;
    for resource in &resources {
        file.add_resource(resource)?;
    }
    file.set_name_prefix(args.text("nameprefix"))?;
    file.set_name_suffix(args.text("namesuffix"))?;
    file.set_namespace(args.text("namespace"))?;
    for label in list(&args, "labels") {
        let (key, value) = pair(label, "label")?;
        file.add_label(&key, &value, LabelPlace::Common, true)?;
    }
    for annotation in list(&args, "annotations") {
        let (key, value) = pair(annotation, "annotation")?;
        file.add_annotation(&key, &value, true)?;
    }
    Ok(file.save(Path::new("kustomization.yaml"), Path::new("."))?)
}

fn list<'a>(args: &'a Args, flag: &str) -> impl Iterator<Item = &'a str> {
    args.get(flag).into_iter().flat_map(|list| list.split(',')).filter(|item| !item.is_empty())
}

/// Files that hold Kubernetes resources, and folders that hold a kustomization.
fn detect(folder: &Path, recursive: bool, resources: &mut Vec<String>) -> Result {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut names: Vec<_> = fs::read_dir(here)?.collect::<std::result::Result<Vec<_>, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = folder.join(entry.file_name());
        let is_kustomization = |path: &Path| KustomizationFile::NAMES.iter().any(|name| path.join(name).exists());
        let found = match entry.file_type()?.is_dir() {
            true if !recursive => continue,
            true if is_kustomization(&path) => true,
            true => {
                detect(&path, recursive, resources)?;
                false
            }
            false => holds_resources(&path),
        };
        let path = path.to_string_lossy().into_owned();
        if found && !resources.contains(&path) {
            resources.push(path);
        }
    }
    Ok(())
}

/// Whether kustomize would take the file as a resource.
fn holds_resources(path: &Path) -> bool {
    let Ok(content) = fs::read_to_string(path) else { return false };
    let documents: std::result::Result<Vec<Value>, _> =
        serde_yaml::Deserializer::from_str(&content).map(Value::deserialize).collect();
    let is_resource = |document: &Value| {
        let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        document["kind"].is_string() && (is_list || document["metadata"]["name"].is_string())
    };
    documents.is_ok_and(|documents| documents.iter().filter(|document| !document.is_null()).all(is_resource))
}
