//! What one provider has: its hosts, and on each host what one look saw.

use crate::model::names::ProviderName;
use crate::operations::list::{ListRequest, Part};
use crate::plugins::Ctx;

pub(super) async fn provider(ctx: &Ctx, request: &ListRequest, provider: ProviderName) -> Part {
    let _ = (ctx, request, provider);
    Part::default()
}
