//! `H/tmux.conf`: the keys that stop and destroy the agent one is attached to.

use sha2::{Digest as _, Sha256};

use super::keys::Doer;
use crate::model::shell::quote;
use crate::settings::TmuxSettings;

/// The session options that hold what the keys do, as shell commands. Bindings are server-wide and one
/// server serves several installations, so this stands in the session, not in the binding.
pub(super) const STOP_COMMAND: &str = "@mng_stop_command";
pub(super) const DESTROY_COMMAND: &str = "@mng_destroy_command";

/// The server option that tells which text the server has read last.
pub(super) const DIGEST_OPTION: &str = "@mng_conf";

/// What [`DIGEST_OPTION`] holds once `conf` has been read to its end.
pub(super) fn digest(conf: &str) -> &str {
    conf.trim_end().rsplit(' ').next().unwrap_or_default()
}

/// The file's text. Sessions without the options get the commands by name if `prefix` says that they are
/// agents (the original started them); all others get the key.
pub(super) fn tmux_conf(settings: &TmuxSettings, prefix: &str, doer: &Doer<'_>) -> String {
    let mut conf = String::from(
        "# mng writes this file at each start of an agent and has tmux read it once. Bindings hold for the whole\n\
         # server; in sessions that are no agent's they pass the key on.\n",
    );
    let is_named = format!(
        "#{{&&:#{{==:#{{={}:session_name}},{}}},#{{==:#{{q:session_name}},#{{session_name}}}}}}",
        prefix.chars().count(),
        format_text(prefix).replace(',', "#,").replace('}', "#}")
    );
    let mut bind = |key: &str, option: &str, verb: &str, flags: &str, ask: bool| {
        if key.is_empty() {
            return;
        }
        let key = word(key);
        let by_name = format_text(&quote(&doer.for_session(verb, flags))) + "#{session_name}";
        conf.push_str(&format!(
            "bind-key -n {key} if-shell -F '#{{{option}}}' {{\n  {}\n}} {{\n  if-shell -F {} {{\n    {}\n  }} {{\n    send-keys {key}\n  }}\n}}\n",
            leave_for(&format!("#{{q:{option}}}"), ask),
            word(&is_named),
            leave_for(&by_name, ask),
        ));
    };
    bind(&settings.stop_key, STOP_COMMAND, "stop", "", false);
    bind(&settings.destroy_key, DESTROY_COMMAND, "destroy", "--force", true);
    let digest: String = Sha256::digest(&conf).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    conf.push_str(&format!("set-option -s {DIGEST_OPTION} {digest}\n"));
    conf
}

/// Takes the person out of tmux and runs a command, given as one shell word, in the terminal that is free
/// then. `detach-client -E` expands no formats, hence the shell around it.
fn leave_for(command: &str, ask: bool) -> String {
    let leave = word(&format!("tmux detach-client -t #{{q:client_name}} -E {command}"));
    if ask {
        format!("confirm-before -p 'destroy agent #{{session_name}}? (y/n)' {{ run-shell {leave} }}")
    } else {
        format!("run-shell {leave}")
    }
}

/// One word of tmux's own command language.
pub(super) fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

/// Text that a format leaves as it is.
pub(super) fn format_text(text: &str) -> String {
    text.replace('#', "##")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_off_is_not_bound() {
        let settings =
            TmuxSettings { destroy_key: String::new(), stop_key: "M-s".into(), ..TmuxSettings::default() };
        let conf = tmux_conf(&settings, "mng-", &Doer::Here("MNG_HOST_DIR='/a b' /bin/mng"));
        insta::assert_snapshot!(conf, @r#"
        # mng writes this file at each start of an agent and has tmux read it once. Bindings hold for the whole
        # server; in sessions that are no agent's they pass the key on.
        bind-key -n 'M-s' if-shell -F '#{@mng_stop_command}' {
          run-shell 'tmux detach-client -t #{q:client_name} -E #{q:@mng_stop_command}'
        } {
          if-shell -F '#{&&:#{==:#{=4:session_name},mng-},#{==:#{q:session_name},#{session_name}}}' {
            run-shell 'tmux detach-client -t #{q:client_name} -E '"'"'MNG_HOST_DIR='"'"'\'"'"''"'"'/a b'"'"'\'"'"''"'"' /bin/mng stop --session '"'"'#{session_name}'
          } {
            send-keys 'M-s'
          }
        }
        set-option -s @mng_conf dcceb4f4713f65d8
        "#);
    }
}
