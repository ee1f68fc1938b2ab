//! The hub's own API under `/api/v1`: every path in one list with the role that it needs.

mod agents;
mod clips;
mod credentials;
mod downloads;
mod events;
mod export;
mod galleries;
mod handing;
mod live;
mod models;
pub(super) mod openapi;
mod rollouts;
mod suppressions;
mod tokens;
mod uploads;
mod verdicts;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, head, patch, post, put};
use tokio::sync::watch;

use super::access::{Audit, Role, Tokens};
use super::accounts::{self, Accounts};
use super::clips::{Clips, Requests};
use super::database::Database;
use super::events::{Exports, Live, Snapshots, Verdicts};
use super::fleet::Fleet;
use super::galleries::Galleries;
use super::guard::Need;
use super::intake::Gauge;
use super::registry::Registry;
use super::rollouts::Rollouts;
use super::serving::Serving;
use super::suppressions::Suppressions;

/// The largest body of a request that is not an upload, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) tokens: Tokens,
    pub(super) audit: Audit,
    pub(super) registry: Registry,
    pub(super) serving: Arc<Serving>,
    pub(super) database: Database,
    pub(super) fleet: Fleet,
    pub(super) live: Live,
    pub(super) exports: Exports,
    pub(super) snapshots: Snapshots,
    pub(super) verdicts: Verdicts,
    pub(super) clips: Clips,
    pub(super) clip_requests: Requests,
    pub(super) rollouts: Rollouts,
    pub(super) suppressions: Suppressions,
    pub(super) galleries: Galleries,
    /// None where there is no broker.
    pub(super) intake: Option<Gauge>,
    pub(super) accounts: Accounts,
    /// How it is with the broker's files; none where the hub writes none.
    pub(super) broker_files: Option<watch::Receiver<accounts::State>>,
}

/// A path and what it needs.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path as the router matches it.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
    operation: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    WhoAmI,
    ListTokens,
    CreateToken,
    RevokeToken,
    Audit,
    Upload,
    UploadState,
    Download,
    ListModels,
    Push,
    ShowModel,
    ShowVersion,
    DeleteVersion,
    SetAlias,
    RemoveAlias,
    ListGalleries,
    ShowGallery,
    PublishGallery,
    WithdrawGallery,
    ListAgents,
    ShowAgent,
    LabelAgent,
    AdmitAgent,
    ListAccounts,
    ShowCredentials,
    IssueCredentials,
    ActivateCredentials,
    RevokeCredentials,
    BrokerConfig,
    ListSpools,
    ListEvents,
    FollowEvents,
    ExportEvents,
    Snapshot,
    ClipState,
    ClipPiece,
    Clip,
    ShowClip,
    AskForClip,
    ShowVerdict,
    GiveVerdict,
    ListSuppressions,
    AcceptSuppression,
    DismissSuppression,
    Intake,
    HubKey,
    ListRollouts,
    OrderRollout,
    ShowRollout,
    PauseRollout,
    ResumeRollout,
    ApproveRollout,
    AbortRollout,
}

const fn route(method: &'static str, path: &'static str, role: Role, operation: Operation) -> Route {
    Route { method, path, need: Need::AtLeast(role), operation }
}

/// A path of the agent that it names.
const fn of_agent(method: &'static str, path: &'static str, operation: Operation) -> Route {
    Route { method, path, need: Need::Agent, operation }
}

/// Every path of the API.
pub const ROUTES: &[Route] = &[
    route("GET", "/api/v1/whoami", Role::Viewer, Operation::WhoAmI),
    route("GET", "/api/v1/tokens", Role::Admin, Operation::ListTokens),
    route("POST", "/api/v1/tokens", Role::Admin, Operation::CreateToken),
    route("DELETE", "/api/v1/tokens/{name}", Role::Admin, Operation::RevokeToken),
    route("GET", "/api/v1/audit", Role::Admin, Operation::Audit),
    route("PUT", "/api/v1/uploads/{sha256}", Role::Engineer, Operation::Upload),
    route("GET", "/api/v1/uploads/{sha256}", Role::Engineer, Operation::UploadState),
    route("GET", "/api/v1/blobs/{sha256}", Role::Viewer, Operation::Download),
    route("GET", "/api/v1/models", Role::Viewer, Operation::ListModels),
    route("POST", "/api/v1/models", Role::Engineer, Operation::Push),
    route("GET", "/api/v1/models/{model}", Role::Viewer, Operation::ShowModel),
    route("GET", "/api/v1/models/{model}/versions/{version}", Role::Viewer, Operation::ShowVersion),
    route("DELETE", "/api/v1/models/{model}/versions/{version}", Role::Engineer, Operation::DeleteVersion),
    route("PUT", "/api/v1/models/{model}/aliases/{alias}", Role::Engineer, Operation::SetAlias),
    route("DELETE", "/api/v1/models/{model}/aliases/{alias}", Role::Engineer, Operation::RemoveAlias),
    route("GET", "/api/v1/galleries", Role::Viewer, Operation::ListGalleries),
    route("GET", "/api/v1/galleries/{gallery}", Role::Viewer, Operation::ShowGallery),
    route("PUT", "/api/v1/galleries/{gallery}", Role::Engineer, Operation::PublishGallery),
    route("DELETE", "/api/v1/galleries/{gallery}", Role::Engineer, Operation::WithdrawGallery),
    route("GET", "/api/v1/agents", Role::Viewer, Operation::ListAgents),
    route("GET", "/api/v1/agents/{agent}", Role::Viewer, Operation::ShowAgent),
    route("PUT", "/api/v1/agents/{agent}/labels", Role::Operator, Operation::LabelAgent),
    route("PUT", "/api/v1/agents/{agent}/admission", Role::Operator, Operation::AdmitAgent),
    route("GET", "/api/v1/credentials", Role::Admin, Operation::ListAccounts),
    route("GET", "/api/v1/agents/{agent}/credentials", Role::Admin, Operation::ShowCredentials),
    route("POST", "/api/v1/agents/{agent}/credentials", Role::Admin, Operation::IssueCredentials),
    route("POST", "/api/v1/agents/{agent}/credentials/activate", Role::Admin, Operation::ActivateCredentials),
    route("DELETE", "/api/v1/agents/{agent}/credentials", Role::Admin, Operation::RevokeCredentials),
    route("GET", "/api/v1/broker-config", Role::Admin, Operation::BrokerConfig),
    route("GET", "/api/v1/agents/{agent}/spools", Role::Viewer, Operation::ListSpools),
    route("GET", "/api/v1/events", Role::Viewer, Operation::ListEvents),
    route("GET", "/api/v1/events/live", Role::Viewer, Operation::FollowEvents),
    route("GET", "/api/v1/events/export", Role::Viewer, Operation::ExportEvents),
    route("GET", "/api/v1/snapshots/{agent}/{camera}/{name}", Role::Viewer, Operation::Snapshot),
    route("HEAD", "/api/v1/clips/{agent}/{sha256}", Role::Viewer, Operation::ClipState),
    of_agent("PATCH", "/api/v1/clips/{agent}/{sha256}", Operation::ClipPiece),
    route("GET", "/api/v1/clips/{agent}/{sha256}", Role::Viewer, Operation::Clip),
    route("GET", "/api/v1/agents/{agent}/episodes/{episode}/clip", Role::Viewer, Operation::ShowClip),
    route("POST", "/api/v1/agents/{agent}/episodes/{episode}/clip", Role::Operator, Operation::AskForClip),
    route("GET", "/api/v1/agents/{agent}/episodes/{episode}/verdict", Role::Viewer, Operation::ShowVerdict),
    route("PUT", "/api/v1/agents/{agent}/episodes/{episode}/verdict", Role::Operator, Operation::GiveVerdict),
    route("GET", "/api/v1/suppressions", Role::Viewer, Operation::ListSuppressions),
    route("POST", "/api/v1/suppressions/{agent}/{suppression}/accept", Role::Engineer, Operation::AcceptSuppression),
    route("POST", "/api/v1/suppressions/{agent}/{suppression}/dismiss", Role::Operator, Operation::DismissSuppression),
    route("GET", "/api/v1/intake", Role::Viewer, Operation::Intake),
    route("GET", "/api/v1/hub-key", Role::Viewer, Operation::HubKey),
    route("GET", "/api/v1/rollouts", Role::Viewer, Operation::ListRollouts),
    route("POST", "/api/v1/rollouts", Role::Engineer, Operation::OrderRollout),
    route("GET", "/api/v1/rollouts/{rollout}", Role::Viewer, Operation::ShowRollout),
    route("POST", "/api/v1/rollouts/{rollout}/pause", Role::Operator, Operation::PauseRollout),
    route("POST", "/api/v1/rollouts/{rollout}/resume", Role::Engineer, Operation::ResumeRollout),
    route("POST", "/api/v1/rollouts/{rollout}/approve", Role::Engineer, Operation::ApproveRollout),
    route("POST", "/api/v1/rollouts/{rollout}/abort", Role::Operator, Operation::AbortRollout),
];

/// The API as a router, to be put behind the guard.
pub(super) fn router(shared: Shared) -> Router {
    let add = |router: Router<Shared>, route: &Route| router.route(route.path, handler(route.operation));
    ROUTES.iter().fold(Router::new(), add).with_state(shared)
}

fn handler(operation: Operation) -> MethodRouter<Shared> {
    let small = DefaultBodyLimit::max(LARGEST_BODY);
    match operation {
        Operation::WhoAmI => get(tokens::who_am_i),
        Operation::ListTokens => get(tokens::list),
        Operation::CreateToken => post(tokens::create).layer(small),
        Operation::RevokeToken => delete(tokens::revoke),
        Operation::Audit => get(tokens::audit),
        // The store has its own limit, and a body that is streamed is held nowhere.
        Operation::Upload => put(uploads::receive),
        Operation::UploadState => get(uploads::state),
        Operation::Download => get(downloads::send),
        Operation::ListModels => get(models::list),
        Operation::Push => post(models::push).layer(small),
        Operation::ShowModel => get(models::show),
        Operation::ShowVersion => get(models::version),
        Operation::DeleteVersion => delete(models::remove),
        Operation::SetAlias => put(models::set_alias).layer(small),
        Operation::RemoveAlias => delete(models::remove_alias),
        Operation::ListGalleries => get(galleries::list),
        Operation::ShowGallery => get(galleries::show),
        Operation::PublishGallery => put(galleries::publish).layer(small),
        Operation::WithdrawGallery => delete(galleries::withdraw),
        Operation::ListAgents => get(agents::list),
        Operation::ShowAgent => get(agents::show),
        Operation::LabelAgent => put(agents::label).layer(small),
        Operation::AdmitAgent => put(agents::admit).layer(small),
        Operation::ListAccounts => get(credentials::list),
        Operation::ShowCredentials => get(credentials::show),
        Operation::IssueCredentials => post(credentials::issue).layer(small),
        Operation::ActivateCredentials => post(credentials::activate),
        Operation::RevokeCredentials => delete(credentials::revoke),
        Operation::BrokerConfig => get(credentials::broker_config),
        Operation::ListSpools => get(events::spools),
        Operation::ListEvents => get(events::list),
        Operation::FollowEvents => get(live::follow),
        Operation::ExportEvents => get(export::export),
        Operation::Snapshot => get(events::snapshot),
        Operation::ClipState => head(clips::state),
        Operation::ClipPiece => patch(clips::receive).layer(DefaultBodyLimit::max(clips::LARGEST_PIECE)),
        Operation::Clip => get(clips::send),
        Operation::ShowClip => get(clips::of_episode),
        Operation::AskForClip => post(clips::ask),
        Operation::ShowVerdict => get(verdicts::show),
        Operation::GiveVerdict => put(verdicts::give).layer(small),
        Operation::ListSuppressions => get(suppressions::list),
        Operation::AcceptSuppression => post(suppressions::accept).layer(small),
        Operation::DismissSuppression => post(suppressions::dismiss),
        Operation::Intake => get(events::intake),
        Operation::HubKey => get(rollouts::key),
        Operation::ListRollouts => get(rollouts::list),
        Operation::OrderRollout => post(rollouts::order).layer(small),
        Operation::ShowRollout => get(rollouts::show),
        Operation::PauseRollout => post(rollouts::pause),
        Operation::ResumeRollout => post(rollouts::resume),
        Operation::ApproveRollout => post(rollouts::approve),
        Operation::AbortRollout => post(rollouts::abort),
    }
}
