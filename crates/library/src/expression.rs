//! DynamoDB's expressions, as far as they are needed here.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use items::number;

/// What must hold of an item for a write to happen.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// The item has this attribute.
    Exists(&'static str),
    /// There is no item, or it lacks this attribute.
    Absent(&'static str),
    /// The attribute has this value.
    Is(&'static str, AttributeValue),
    /// The attribute is missing or has another value.
    Differs(&'static str, AttributeValue),
    /// The attribute is a number below this one.
    Below(&'static str, i64),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// A change of one attribute.
#[derive(Clone, Debug)]
pub(crate) enum Assignment {
    Set(&'static str, AttributeValue),
    Add(&'static str, i64),
    /// Adds to a number, which is 0 where there is none yet.
    Tally(&'static str, i64),
    Remove(&'static str),
    /// Takes these elements out of a set, as far as they are in it. The attribute goes with the last one.
    Take(&'static str, AttributeValue),
}

/// Collects the names and values that an expression refers to. Every name goes through a placeholder, because many
/// good names are reserved words.
#[derive(Default)]
pub(crate) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    fn name(&mut self, name: &'static str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// A condition expression.
    pub(crate) fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::Exists(name) => format!("attribute_exists({})", self.name(name)),
            Condition::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::Is(name, value) => format!("{} = {}", self.name(name), self.value(value.clone())),
            Condition::Differs(name, value) => {
                let (name, value) = (self.name(name), self.value(value.clone()));
                format!("(attribute_not_exists({name}) OR {name} <> {value})")
            }
            Condition::Below(name, limit) => format!("{} < {}", self.name(name), self.value(number(*limit))),
            Condition::All(all) => self.joined(all, " AND "),
            Condition::Any(any) => self.joined(any, " OR "),
        }
    }

    fn joined(&mut self, conditions: &[Condition], operator: &str) -> String {
        let terms: Vec<_> = conditions.iter().map(|condition| self.condition(condition)).collect();
        format!("({})", terms.join(operator))
    }

    /// An update expression.
    pub(crate) fn update(&mut self, assignments: &[Assignment]) -> String {
        let (mut set, mut remove, mut take, mut tally) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for assignment in assignments {
            match assignment {
                Assignment::Set(name, value) => {
                    set.push(format!("{} = {}", self.name(name), self.value(value.clone())));
                }
                Assignment::Add(name, by) => {
                    let name = self.name(name);
                    set.push(format!("{name} = {name} + {}", self.value(number(*by))));
                }
                Assignment::Tally(name, by) => {
                    tally.push(format!("{} {}", self.name(name), self.value(number(*by))));
                }
                Assignment::Remove(name) => remove.push(self.name(name)),
                Assignment::Take(name, elements) => {
                    take.push(format!("{} {}", self.name(name), self.value(elements.clone())));
                }
            }
        }
        let mut clauses = Vec::new();
        if !set.is_empty() {
            clauses.push(format!("SET {}", set.join(", ")));
        }
        if !remove.is_empty() {
            clauses.push(format!("REMOVE {}", remove.join(", ")));
        }
        if !take.is_empty() {
            clauses.push(format!("DELETE {}", take.join(", ")));
        }
        if !tally.is_empty() {
            clauses.push(format!("ADD {}", tally.join(", ")));
        }
        clauses.join(" ")
    }

    /// None when there are none: DynamoDB refuses an empty map.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// None when there are none.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}
