//! From text to a checked syntax tree.

use std::collections::HashMap;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::parser::PrattParser;
use cel::parser::pratt_parser::{Lexer, Token, TokenKind};
use regex_lite::Regex;

use super::functions;
use crate::model::suggest::did_you_mean;

/// An expression that parsed and calls nothing unknown.
#[derive(Debug)]
pub(super) struct Expression {
    text: String,
    root: IdedExpr,
    /// The regular expressions that stand in it literally, compiled once.
    regexes: HashMap<String, Regex>,
}

/// Parser and evaluation recurse, so what nobody writes by hand is refused before it can exhaust the stack.
const MAX_TOKENS: usize = 3_000;
const MAX_NESTING: usize = 100;
/// Of the tree: a sum of as many terms.
const MAX_DEPTH: usize = 250;
const TOO_DEEP: &str = "it is too long or too deeply nested";

/// What `has` is called in the text that the parser sees. Its own `has` macro takes `has(labels.x)` but not
/// `has(url)`, and asks for presence, where we ask for a value. Of the same length, so that columns hold.
pub(super) const HAS: &str = "hAs";

impl Expression {
    /// # Errors
    /// One line that says what is wrong, with the column if it is known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".into());
        }
        if is_excessive(&tokens(text)) {
            return Err(TOO_DEEP.into());
        }
        let root = PrattParser::new().parse(&with_own_has(text)).map_err(|errors| {
            errors.errors.first().map_or_else(|| "it is no CEL".into(), |error| reason(&error.msg, error.pos))
        })?;
        let mut regexes = HashMap::new();
        check(&root, &mut regexes, 0)?;
        Ok(Self { text: text.to_owned(), root, regexes })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn root(&self) -> &IdedExpr {
        &self.root
    }

    pub(super) fn regex(&self, pattern: &str) -> Option<&Regex> {
        self.regexes.get(pattern)
    }
}

fn reason(message: &str, (line, column): (isize, isize)) -> String {
    let message = message.lines().next().unwrap_or_default().replace(HAS, "has");
    let message = message.strip_prefix("Syntax error: ").unwrap_or(&message);
    match (line, column) {
        (1, 1..) => format!("{message} at column {column}"),
        (2.., 1..) => format!("{message} at line {line}, column {column}"),
        _ => message.to_owned(),
    }
}

/// The tokens that count, up to the first that is none.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.lex();
        match token.kind {
            TokenKind::TokEnd | TokenKind::TokError => return tokens,
            TokenKind::TokWhitespace | TokenKind::TokComment => {}
            _ => tokens.push(token),
        }
    }
}

fn is_excessive(tokens: &[Token]) -> bool {
    let mut depth = 0_usize;
    let mut signs = 0;
    let mut is_deep = false;
    for token in tokens {
        match token.kind {
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => depth += 1,
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                depth = depth.saturating_sub(1);
            }
            TokenKind::TokExclamation | TokenKind::TokMinus | TokenKind::TokQuestion => signs += 1,
            _ => {}
        }
        is_deep |= depth > MAX_NESTING;
    }
    is_deep || signs > MAX_NESTING || tokens.len() > MAX_TOKENS
}

fn with_own_has(text: &str) -> String {
    let tokens = tokens(text);
    let mut out = text.to_owned();
    for (index, token) in tokens.iter().enumerate() {
        let kind = |index: Option<usize>| index.and_then(|index| tokens.get(index)).map(|token| token.kind);
        if text.get(token.start..token.end) == Some("has")
            && kind(Some(index + 1)) == Some(TokenKind::TokLeftParen)
            && kind(index.checked_sub(1)) != Some(TokenKind::TokDot)
        {
            out.replace_range(token.start..token.end, HAS);
        }
    }
    out
}

/// Finds at once what would otherwise fail for every agent: unknown functions, wrong numbers of arguments,
/// broken regular expressions.
fn check(expr: &IdedExpr, regexes: &mut HashMap<String, Regex>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(TOO_DEEP.into());
    }
    match &expr.expr {
        Expr::Struct(value) => {
            let name = &value.type_name;
            return Err(format!("`{name}{{…}}` is no value: write a map, `{{\"key\": 1}}`"));
        }
        Expr::Call(call) => {
            if !OPERATORS.contains(&call.func_name.as_str()) {
                check_call(&call.func_name, call.target.is_some(), call.args.len())?;
            }
            if let ("matches", Some(pattern)) = (call.func_name.as_str(), call.args.last()) {
                check_pattern(&pattern.expr, regexes)?;
            }
        }
        _ => {}
    }
    children(expr).into_iter().try_for_each(|child| check(child, regexes, depth + 1))
}

fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => Vec::new(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loops) => {
            vec![&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result]
        }
    }
}

const OPERATORS: [&str; 19] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
];

fn check_call(name: &str, is_method: bool, count: usize) -> Result<(), String> {
    let of_name: Vec<_> = functions::SIGNATURES.iter().filter(|signature| signature.name == name).collect();
    if let Some((_, usage)) = functions::MACROS.iter().find(|(macro_name, _)| *macro_name == name) {
        return Err(format!("`{name}` is called as `{usage}`"));
    }
    if of_name.is_empty() {
        let known = functions::SIGNATURES
            .iter()
            .map(|signature| signature.name)
            .chain(functions::MACROS.map(|(name, _)| name));
        let near = did_you_mean(name, known.map(|known| if known == HAS { "has" } else { known }));
        let near = near.map(|near| format!(" ({})", near.trim_end_matches('?'))).unwrap_or_default();
        return Err(format!("there is no function `{name}`{near}"));
    }
    let fits = of_name.iter().any(|signature| {
        signature.is_method == is_method && (signature.least..=signature.most).contains(&count)
    });
    if fits {
        return Ok(());
    }
    let usages: Vec<String> = of_name.iter().map(|signature| format!("`{}`", signature.usage)).collect();
    Err(format!("`{}` is called as {}", name.replace(HAS, "has"), usages.join(" or ")))
}

fn check_pattern(pattern: &Expr, regexes: &mut HashMap<String, Regex>) -> Result<(), String> {
    if let Expr::Literal(LiteralValue::String(pattern)) = pattern {
        let regex = compile(pattern.inner())?;
        regexes.insert(pattern.inner().to_owned(), regex);
    }
    Ok(())
}

pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let error = error.to_string();
        format!("`{pattern}` is no regular expression: {}", error.lines().next().unwrap_or_default())
    })
}
