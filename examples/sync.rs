//! Syncs one Argo CD application, once.

use gitops_sync::Application;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: sync APPLICATION.yaml")?;
    let application = Application::from_yaml(&std::fs::read_to_string(path)?)?;
    println!("{}: {} source(s)", application.metadata.name, application.sources().len());
    Ok(())
}
