//! From CEL's syntax tree to a formula: what is not arithmetic is refused.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::expression::{Binary, Comparison, Field, Number, Truth, Unary};
use crate::numeric::f64_from_i64;

/// Reads one formula.
pub(super) struct Reader<'a> {
    names: &'a BTreeSet<&'a str>,
    /// The metrics that were used so far.
    pub(super) uses: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(names: &'a BTreeSet<&'a str>) -> Self {
        Self { names, uses: BTreeSet::new() }
    }

    /// The expression, if it is a number.
    pub(super) fn number(&mut self, expression: &IdedExpr) -> Result<Number, String> {
        match &expression.expr {
            Expr::Literal(LiteralValue::Double(double)) => Ok(Number::Literal(*double.inner())),
            Expr::Literal(LiteralValue::Int(int)) => Ok(Number::Literal(f64_from_i64(*int.inner()))),
            Expr::Select(select) if !select.test => self.field(select),
            Expr::Ident(name) => Err(self.bare(name)),
            Expr::Call(call) => self.call(call),
            other => Err(misplaced("a number", other)),
        }
    }

    fn truth(&mut self, expression: &IdedExpr) -> Result<Truth, String> {
        match &expression.expr {
            Expr::Literal(LiteralValue::Boolean(truth)) => Ok(Truth::Literal(*truth.inner())),
            Expr::Call(CallExpr { func_name, target: None, args }) => {
                let comparison = match (func_name.as_str(), args.as_slice()) {
                    (operators::LESS, _) => Comparison::Less,
                    (operators::LESS_EQUALS, _) => Comparison::LessOrEqual,
                    (operators::GREATER, _) => Comparison::Greater,
                    (operators::GREATER_EQUALS, _) => Comparison::GreaterOrEqual,
                    (operators::EQUALS, _) => Comparison::Equal,
                    (operators::NOT_EQUALS, _) => Comparison::NotEqual,
                    (operators::LOGICAL_NOT, [of]) => return Ok(Truth::Not(Box::new(self.truth(of)?))),
                    (operators::LOGICAL_AND, all) => return self.truths(all).map(Truth::All),
                    (operators::LOGICAL_OR, any) => return self.truths(any).map(Truth::Any),
                    _ => return Err(misplaced("true or false", &expression.expr)),
                };
                self.pair(args).map(|sides| Truth::Compare(comparison, sides))
            }
            other => Err(misplaced("true or false", other)),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Number, String> {
        let CallExpr { func_name, target, args } = call;
        if target.is_some() {
            return Err(misplaced("a number", &Expr::Call(call.clone())));
        }
        let unary = match func_name.as_str() {
            operators::ADD => return self.pair(args).map(|sides| Number::Binary(Binary::Add, sides)),
            operators::SUBSTRACT => {
                return self.pair(args).map(|sides| Number::Binary(Binary::Subtract, sides));
            }
            operators::MULTIPLY => {
                return self.pair(args).map(|sides| Number::Binary(Binary::Multiply, sides));
            }
            operators::DIVIDE => return self.pair(args).map(|sides| Number::Binary(Binary::Divide, sides)),
            operators::CONDITIONAL => {
                let [condition, then, otherwise] = args.as_slice() else { return Err(incomplete("?:")) };
                let parts = (self.truth(condition)?, self.number(then)?, self.number(otherwise)?);
                return Ok(Number::If(Box::new(parts)));
            }
            "min" | "max" if args.is_empty() => {
                return Err(format!("{func_name} needs at least one number in its brackets"));
            }
            "min" => return self.numbers(args).map(Number::Min),
            "max" => return self.numbers(args).map(Number::Max),
            operators::NEGATE => Unary::Negate,
            "ceil" => Unary::Ceil,
            "floor" => Unary::Floor,
            "abs" => Unary::Abs,
            _ => return Err(misplaced("a number", &Expr::Call(call.clone()))),
        };
        let [of] = args.as_slice() else {
            return Err(format!("{func_name} needs one number in its brackets"));
        };
        Ok(Number::Unary(unary, Box::new(self.number(of)?)))
    }

    fn pair(&mut self, args: &[IdedExpr]) -> Result<Box<(Number, Number)>, String> {
        let [left, right] = args else { return Err(incomplete("an operator")) };
        Ok(Box::new((self.number(left)?, self.number(right)?)))
    }

    fn numbers(&mut self, args: &[IdedExpr]) -> Result<Vec<Number>, String> {
        args.iter().map(|arg| self.number(arg)).collect()
    }

    fn truths(&mut self, args: &[IdedExpr]) -> Result<Vec<Truth>, String> {
        args.iter().map(|arg| self.truth(arg)).collect()
    }

    fn field(&mut self, select: &SelectExpr) -> Result<Number, String> {
        let Expr::Ident(name) = &select.operand.expr else {
            return Err(format!("only name.field is possible, not .{} of something else", select.field));
        };
        if !self.names.contains(name.as_str()) {
            return Err(self.bare(name));
        }
        let field = Field::ALL.into_iter().find(|(field, _)| *field == select.field);
        let Some((_, field)) = field else {
            let fields = Field::ALL.map(|(field, _)| field).join(", ");
            return Err(format!("a metric has no .{}; it has {fields}", select.field));
        };
        self.uses.insert(name.clone());
        Ok(Number::Of { metric: name.clone(), field })
    }

    /// What to say to a name without a field, or of no metric.
    fn bare(&self, name: &str) -> String {
        if self.names.contains(name) {
            return format!("{name} is a metric: say which of its numbers, such as {name}.replicas");
        }
        let names: Vec<&str> = self.names.iter().copied().collect();
        format!("no metric has the name {name}; the named ones are: {}", names.join(", "))
    }
}

fn incomplete(what: &str) -> String {
    format!("{what} lacks a side")
}

fn misplaced(needed: &str, found: &Expr) -> String {
    let what = match found {
        Expr::Call(call) => call.func_name.trim_matches('_').to_owned(),
        Expr::Literal(LiteralValue::Boolean(truth)) => truth.inner().to_string(),
        Expr::Select(SelectExpr { operand, field, test: false }) => match &operand.expr {
            Expr::Ident(name) => format!("{name}.{field}"),
            _ => format!(".{field}"),
        },
        _ => "this".to_owned(),
    };
    format!(
        "where {needed} is needed, {what} may not be used; numbers come from + - * / ?: min max ceil floor abs, \
         true and false from < <= > >= == != && || !"
    )
}
