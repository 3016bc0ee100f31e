//! The scenario, step by step; each step ends by checking what has come of it.

use std::time::{Duration, Instant};

use gitops_git::RepoUrl;
use gitops_sync::{Action, Application, Cluster, HealthStatus, Report, SyncCode, events};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::ci::Ci;
use crate::cluster::Target;
use crate::controller::{Change, Controller};
use crate::repository::{BRANCH, OVERLAY};
use crate::{AnyError, nodes, repository, screen};

/// Git and rendering block; the runtime's other tasks go on meanwhile.
use tokio::task::block_in_place;

const APPLICATION: &str = include_str!("application.yaml");
const IMAGE: &str = "registry.example.com/inf/airflow/test/code";

/// How often the controller asks whether the branch has moved.
const INTERVAL: Duration = Duration::from_millis(200);

pub async fn tell(target: &Target) -> Result<(), AnyError> {
    let dir = tempfile::tempdir()?;
    let url = block_in_place(|| repository::create(dir.path()))?;
    println!("The repository is {url}, branch {BRANCH}.\nThe cluster is {}.", target.name);
    nodes::create_namespace(&target.client).await?;
    let mut story = Story::begin(dir.path(), url, target)?;

    screen::heading("1. CI built an image and sets its tag; the controller rolls it out");
    story.roll_out("177839").await?;

    screen::heading("2. CI pushes a second tag; the controller notices and rolls on");
    let report = story.roll_out("177840").await?;
    ensure(
        report.resources.iter().any(|resource| resource.action == Action::Keep),
        "the Service should not be touched",
    )?;

    screen::heading("3. Somebody scales by hand; the plan shows the drift");
    story.drift().await?;

    screen::heading("4. A commit with a broken patch: an error, and the cluster stays as it was");
    let good = story.break_patch().await?;

    screen::heading("5. The patch is mended; the sync also takes back what was scaled by hand");
    block_in_place(|| story.ci.write("Mend the patch", "web.yml", &good))?;
    let report = story.sync_next().await?;
    screen::heading("The application");
    screen::status("app-test", &report);
    ensure(story.replicas().await? == Some(2), "the sync should have restored the replicas")
}

struct Story {
    ci: Ci,
    controller: Controller,
    deployments: Api<Deployment>,
}

impl Story {
    fn begin(dir: &std::path::Path, url: RepoUrl, target: &Target) -> Result<Self, AnyError> {
        let text = APPLICATION.replace("<the repository>", &url.to_string());
        let application = Application::from_yaml(&text)?;
        let controller = Controller::new(dir, application, Cluster::new(target.client.clone()))?;
        let deployments = Api::namespaced(target.client.clone(), "airflow");
        Ok(Self { ci: Ci::new(dir, url)?, controller, deployments })
    }

    async fn roll_out(&mut self, tag: &str) -> Result<Report, AnyError> {
        let commit = block_in_place(|| self.ci.set_image(IMAGE, tag))?;
        screen::line("CI", &format!("pushed {}: {IMAGE}:{tag} in {OVERLAY}", short(&commit.to_string())));
        let report = self.sync_next().await?;
        ensure(report.images == [format!("{IMAGE}:{tag}")], "the new image should run, and no other")?;
        Ok(report)
    }

    /// Waits for the next commit and syncs it.
    async fn sync_next(&mut self) -> Result<Report, AnyError> {
        let change = self.next_change().await?;
        let start = Instant::now();
        let manifests = block_in_place(|| self.controller.render(&change))?;
        screen::line("rendered", &format!("{} resources in {:.1?}", manifests.len(), start.elapsed()));

        let (sender, receiver) = events();
        let mut options = self.controller.options().timeout(Duration::from_secs(60));
        options.revision = Some(change.commit.to_string());
        options.events = Some(sender);
        let progress = tokio::spawn(screen::progress(receiver));
        let report = self.controller.sync(manifests, options).await?;
        progress.await?;
        screen::line("result", &format!("{}, {}", report.sync, report.health));
        for failed in report.failed() {
            screen::line("failed", &format!("{}: {:?}", failed.id, failed.outcome));
        }
        ensure(report.succeeded(), "no resource should fail")?;
        ensure(report.sync == SyncCode::Synced, "the application should be synced")?;
        ensure(report.health == HealthStatus::Healthy, "the application should be healthy")?;
        Ok(report)
    }

    async fn next_change(&mut self) -> Result<Change, AnyError> {
        for _ in 0..50 {
            if let Some(change) = block_in_place(|| self.controller.poll())? {
                screen::line("controller", &format!("{BRANCH} moved to {}", short(&change.commit.to_string())));
                return Ok(change);
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Err("the controller does not see the commit".into())
    }

    async fn drift(&mut self) -> Result<(), AnyError> {
        let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
        self.deployments.patch("web", &PatchParams::default(), &patch).await?;
        screen::line("somebody", "scaled Deployment web to 5");
        ensure(block_in_place(|| self.controller.poll())?.is_none(), "nothing should have moved in Git")?;
        let change = self.controller.current()?;
        let plan = self.controller.plan(block_in_place(|| self.controller.render(&change))?).await?;
        screen::block(&plan.diff());
        let updates: Vec<String> =
            plan.steps.iter().filter(|step| step.action == Action::Update).map(|step| step.id.to_string()).collect();
        ensure(
            updates.len() == 1 && updates[0].contains("web"),
            "the plan should update Deployment web, and nothing else",
        )
    }

    /// Pushes a patch of a Deployment that is not there; what the file held before.
    async fn break_patch(&mut self) -> Result<String, AnyError> {
        let good = block_in_place(|| self.ci.read("web.yml"))?;
        let broken = good.replacen("name: web\n", "name: webb\n", 1);
        ensure(broken != good, "the patch should be broken now")?;
        block_in_place(|| self.ci.write("Rename the Deployment", "web.yml", &broken))?;
        let before = self.deployments.get("web").await?;
        let change = self.next_change().await?;
        let Err(error) = block_in_place(|| self.controller.render(&change)) else {
            return Err("the broken patch should not render".into());
        };
        let text = screen::chain(&*error);
        screen::line("error", &text);
        ensure(text.contains("web.yml") && text.contains("webb"), "the error should name the file and the resource")?;
        let after = self.deployments.get("web").await?;
        ensure(before.spec == after.spec, "the cluster should be as it was")?;
        screen::line("controller", "nothing was applied");
        Ok(good)
    }

    async fn replicas(&self) -> Result<Option<i32>, AnyError> {
        Ok(self.deployments.get("web").await?.spec.replicas)
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn ensure(holds: bool, what: &str) -> Result<(), AnyError> {
    if holds { Ok(()) } else { Err(what.into()) }
}
