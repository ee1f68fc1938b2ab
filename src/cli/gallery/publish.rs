//! Galleries on their way to the hub, from which agents take them.

use std::path::PathBuf;

use anyhow::anyhow;
use serde_json::json;

use crate::cli::Failure;
use crate::cli::connection::{Connection, failed, print};
use crate::cli::registry::Bar;
use crate::toolchain::gallery;
use crate::vocab::Id;

#[derive(Debug, clap::Args)]
pub(super) struct Publish {
    #[command(flatten)]
    connection: Connection,
    /// The gallery's file. Its key is not needed, and stays here.
    gallery: PathBuf,
    /// What it is called there; the file's name without its end by default.
    #[arg(long)]
    name: Option<Id>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Withdraw {
    #[command(flatten)]
    connection: Connection,
    /// What it is called there.
    name: Id,
}

pub(super) fn publish(args: &Publish) -> Result<(), Failure> {
    // Anything else should not leave this machine at all.
    gallery::look(&args.gallery).map_err(|error| super::told(error.into()))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let stem = args.gallery.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            Id::new(&stem)
                .map_err(|error| Failure::Refused(anyhow!("say what it is called there with --name: {error}")))?
        }
    };
    let mut bar = Bar::default();
    let client = args.connection.client()?;
    let published = client.publish_gallery(&args.gallery, name.as_str(), &mut |done, of| bar.draw(done, of));
    print(&published.map_err(failed)?)
}

pub(super) fn withdraw(args: &Withdraw) -> Result<(), Failure> {
    let client = args.connection.client()?;
    client.delete(&format!("/api/v1/galleries/{}", args.name)).map_err(failed)?;
    print(&json!({ "withdrawn": args.name }))
}
