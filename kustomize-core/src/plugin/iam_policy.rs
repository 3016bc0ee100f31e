//! Kustomize's IAMPolicyGenerator: service accounts that stand for accounts of a cloud.

use std::sync::Arc;

use serde::Deserialize;

use super::PluginError;
use crate::generate::BoxError;
use crate::resource::Resource;
use crate::yaml::{self, Limits, SourceText};

/// What the generator's configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct IamPolicyArgs {
    cloud: String,
    kubernetes_service: KubernetesService,
    service_account: ServiceAccount,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct KubernetesService {
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceAccount {
    name: String,
    project_id: String,
}

pub(super) fn generate(args: &IamPolicyArgs) -> Result<Vec<Resource>, BoxError> {
    if args.cloud != "gke" {
        let problem = format!("the cloud `{}` is not supported, only gke", args.cloud);
        return Err(PluginError::Incomplete { problem }.into());
    }
    // Text that is parsed again, as in kustomize: a name such as `1` becomes a number.
    let ServiceAccount { name: account, project_id } = &args.service_account;
    let KubernetesService { name, namespace } = &args.kubernetes_service;
    let mut text = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    iam.gke.io/gcp-service-account: \
         {account}@{project_id}.iam.gserviceaccount.com\n  name: {name}\n"
    );
    if !namespace.is_empty() {
        text.push_str(&format!("  namespace: {namespace}\n"));
    }
    let doc = yaml::parse_text(Arc::new(SourceText { text }), &Limits::new())?;
    Ok(doc.map(Resource::new).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_gke_is_annotated() {
        let args = IamPolicyArgs {
            cloud: "gke".into(),
            kubernetes_service: KubernetesService { name: "k8s".into(), namespace: "ns".into() },
            service_account: ServiceAccount { name: "gsa".into(), project_id: "project".into() },
        };
        let made = generate(&args).expect("generated");
        let expected = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  annotations:\n    \
                        iam.gke.io/gcp-service-account: gsa@project.iam.gserviceaccount.com\n  name: k8s\n  namespace: ns\n";
        assert_eq!(made[0].to_yaml().as_deref(), Ok(expected));
        assert!(generate(&IamPolicyArgs { cloud: "aws".into(), ..args }).is_err());
    }
}
