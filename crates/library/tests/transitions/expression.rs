//! DynamoDB's expressions, as far as the library writes them.

use serde_json::{Map, Value, json};

type Item = Map<String, Value>;

/// Whether a condition holds of an item; of no item, it is asked about an empty one.
pub fn holds(condition: &str, item: &Item, write: &Value) -> bool {
    let mut terms = Terms { tokens: tokens(condition), item, write };
    let result = terms.condition();
    assert!(terms.tokens.is_empty(), "nothing follows a condition: {condition}");
    result
}

fn tokens(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace(',', " , ");
    spaced.split_whitespace().rev().map(str::to_owned).collect()
}

struct Terms<'a> {
    /// Those that are still to be read, the next one last.
    tokens: Vec<String>,
    item: &'a Item,
    write: &'a Value,
}

impl Terms<'_> {
    fn next(&mut self) -> String {
        self.tokens.pop().expect("the expression goes on")
    }

    fn attribute(&self, placeholder: &str) -> Option<&Value> {
        let name = self.write["ExpressionAttributeNames"][placeholder].as_str().expect("the name is given");
        self.item.get(name)
    }

    fn condition(&mut self) -> bool {
        let first = self.next();
        match first.as_str() {
            "(" => self.group(),
            "attribute_exists" => self.existence(),
            "attribute_not_exists" => !self.existence(),
            placeholder => {
                let operator = self.next();
                let value = self.next();
                let value = &self.write["ExpressionAttributeValues"][&value];
                let Some(found) = self.attribute(placeholder) else { return false };
                match operator.as_str() {
                    "=" => found == value,
                    "<" => number(found) < number(value),
                    other => panic!("the library is not known to compare by {other}"),
                }
            }
        }
    }

    fn existence(&mut self) -> bool {
        assert_eq!(self.next(), "(");
        let name = self.next();
        assert_eq!(self.next(), ")");
        self.attribute(&name).is_some()
    }

    fn group(&mut self) -> bool {
        let mut result = self.condition();
        loop {
            match self.next().as_str() {
                ")" => return result,
                "AND" => result &= self.condition(),
                "OR" => result |= self.condition(),
                other => panic!("{other} joins no conditions"),
            }
        }
    }
}

fn number(value: &Value) -> i64 {
    value["N"].as_str().and_then(|digits| digits.parse().ok()).expect("it is a whole number")
}

/// Changes an item as an update expression says.
pub fn assign(update: &str, item: &mut Item, write: &Value) {
    let name = |placeholder: &str| {
        write["ExpressionAttributeNames"][placeholder].as_str().expect("the name is given").to_owned()
    };
    let (update, tally) = update.split_once("ADD").unwrap_or((update, ""));
    let (update, take) = update.split_once("DELETE").unwrap_or((update, ""));
    let (set, remove) = update.split_once("REMOVE").unwrap_or((update, ""));
    let clauses = set.trim().strip_prefix("SET").unwrap_or("");
    for clause in clauses.split(',').map(str::trim).filter(|clause| !clause.is_empty()) {
        let (target, value) = clause.split_once(" = ").expect("an assignment");
        let value = match value.split_once(" + ") {
            None => write["ExpressionAttributeValues"][value].clone(),
            Some((base, added)) => {
                let base = number(item.get(&name(base)).expect("what is added to exists"));
                json!({ "N": (base + number(&write["ExpressionAttributeValues"][added])).to_string() })
            }
        };
        assert!(!value.is_null(), "the value is given: {clause}");
        item.insert(name(target), value);
    }
    for placeholder in remove.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        item.remove(&name(placeholder));
    }
    for clause in tally.split(',').map(str::trim).filter(|clause| !clause.is_empty()) {
        let (target, added) = clause.split_once(' ').expect("a number and what is added");
        let before = item.get(&name(target)).map_or(0, number);
        let added = number(&write["ExpressionAttributeValues"][added]);
        item.insert(name(target), json!({ "N": (before + added).to_string() }));
    }
    for clause in take.split(',').map(str::trim).filter(|clause| !clause.is_empty()) {
        let (target, taken) = clause.split_once(' ').expect("a set and elements");
        let taken = write["ExpressionAttributeValues"][taken]["NS"].as_array().expect("a set of numbers");
        if let Some(left) = item.get_mut(&name(target)).and_then(|set| set["NS"].as_array_mut()) {
            left.retain(|element| !taken.contains(element));
            if left.is_empty() {
                item.remove(&name(target));
            }
        }
    }
}
