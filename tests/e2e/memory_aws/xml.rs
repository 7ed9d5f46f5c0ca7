//! As much of XML as S3 needs: elements without attributes.

/// The texts of all elements of that name.
pub fn all<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

/// The text of the first element of that name, decoded.
pub fn first(name: &str, text: &str) -> Option<String> {
    let found = *all(name, text).first()?;
    Some(found.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// An element with a text in it.
pub fn element(name: &str, text: impl ToString) -> String {
    let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    format!("<{name}>{text}</{name}>")
}
