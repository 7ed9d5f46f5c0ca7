//! What the role of each function may do at AWS, tried in its name: all that its policy in the template says, and nothing else. Both follow from
//! the template, so a new function is tried without a change here.
//!
//! Requests are made so that whoever may make them is refused for another reason, or changes nothing: records without a key, messages
//! without a body, changes of records that there are none of, parts of uploads that there are none of.

mod request;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use local::{Endpoint, Stack, signed_request};
use serde_json::{Value, json};
use tests::World;

use crate::contract::{functions, template};
use request::Request;

/// What Lambda's pollers do in a function's name is shown by their working; mails are sent in a test of their own.
const NOT_TRIED: [&str; 5] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "ses:SendEmail",
];

const ON_TABLES: [&str; 8] =
    ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "ConditionCheckItem"];
/// What says which partition of a table it is about.
const ON_PARTITIONS: [&str; 6] = [
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:Query",
    "dynamodb:ConditionCheckItem",
];
const ON_BUCKETS: [&str; 2] = ["ListBucket", "ListBucketMultipartUploads"];
const ON_OBJECTS: [&str; 4] = ["GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"];
const ON_QUEUES: [&str; 5] =
    ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"];
const ON_ACCOUNTS: [&str; 17] = [
    "AdminAddUserToGroup",
    "AdminConfirmSignUp",
    "AdminCreateUser",
    "AdminDeleteUser",
    "AdminDisableUser",
    "AdminEnableUser",
    "AdminGetUser",
    "AdminInitiateAuth",
    "AdminListGroupsForUser",
    "AdminRemoveUserFromGroup",
    "AdminResetUserPassword",
    "AdminSetUserPassword",
    "AdminUpdateUserAttributes",
    "AdminUserGlobalSignOut",
    "DescribeUserPoolClient",
    "ListUsers",
    "ListUsersInGroup",
];

/// Where objects are looked for in each bucket, besides the places that policies name.
const KEYS: [&str; 5] =
    ["media/nothing/original", "media/nothing/1.mp4", "posters/nothing", "pieces/nothing", "reports/nothing"];
const PREFIXES: [&str; 3] = ["", "media/nothing", "pieces/nothing"];

/// An `Allow` of a policy, its resources as ARNs that may have `*` in them.
struct Rule {
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Value,
}

/// Something to try: an action, and what it is done to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Probe {
    action: String,
    arn: String,
    /// Where a bucket is listed.
    prefix: Option<String>,
    /// Which partition of a table, by name and value of its key.
    key: Option<(String, String)>,
}

impl Probe {
    fn new(action: impl Into<String>, arn: impl Into<String>) -> Self {
        Self { action: action.into(), arn: arn.into(), prefix: None, key: None }
    }
}

/// The template's names, as they are deployed.
struct Names<'a> {
    stack: &'a Stack,
    template: &'a Value,
    account: &'a str,
}

impl<'a> Names<'a> {
    fn of(stack: &'a Stack, template: &'a Value) -> Result<Self> {
        // A queue's address is its host, the account and its name.
        let account = stack.resource("PackageQueue")?.rsplit('/').nth(1).context("an account")?;
        Ok(Self { stack, template, account })
    }

    /// The resources of that type, as ARNs.
    fn all(&self, kind: &str) -> Result<Vec<String>> {
        let resources = self.template["Resources"].as_object().context("resources")?;
        resources
            .iter()
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(id, _)| self.arn(id))
            .collect()
    }

    fn arn(&self, id: &str) -> Result<String> {
        let (region, account, name) = (&self.stack.endpoint().region, self.account, self.stack.resource(id)?);
        Ok(match self.template["Resources"][id]["Type"].as_str() {
            Some("AWS::DynamoDB::Table") => format!("arn:aws:dynamodb:{region}:{account}:table/{name}"),
            Some("AWS::S3::Bucket") => format!("arn:aws:s3:::{name}"),
            Some("AWS::Cognito::UserPool") => {
                format!("arn:aws:cognito-idp:{region}:{account}:userpool/{name}")
            }
            Some("AWS::SQS::Queue") => {
                let name = name.rsplit('/').next().context("a queue has a name")?;
                format!("arn:aws:sqs:{region}:{account}:{name}")
            }
            other => bail!("{id}: no ARN is known of {other:?}"),
        })
    }

    /// A text of the template with its references filled in.
    fn text(&self, value: &Value) -> Result<String> {
        if let Some(text) = value.as_str() {
            return Ok(text.to_owned());
        }
        if let Some(attribute) = value["GetAtt"].as_str() {
            let id = attribute.strip_suffix(".Arn").with_context(|| format!("{attribute} is no ARN"))?;
            return self.arn(id);
        }
        let mut rest = value["Sub"].as_str().with_context(|| format!("{value} can't be resolved"))?;
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').context("a reference has an end")?;
            text += before;
            text += &match name {
                "AWS::Partition" => "aws".to_owned(),
                "AWS::StackName" => local::deployment::STACK.to_owned(),
                "AWS::AccountId" => self.account.to_owned(),
                "AWS::Region" => self.stack.endpoint().region.clone(),
                attribute => self.text(&json!({ "GetAtt": attribute }))?,
            };
            rest = after;
        }
        Ok(text + rest)
    }

    /// What a function's policies allow, without what isn't tried.
    fn rules(&self, function: &Value) -> Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for policy in function["Policies"].as_array().context("a function has policies")? {
            for statement in policy["Statement"].as_array().context("a policy has statements")? {
                // One that depends on a parameter is taken as if it was there: where it isn't, the test fails.
                let statement = ["/Fn::If/1", "/If/1"]
                    .iter()
                    .find_map(|if_so| statement.pointer(if_so))
                    .unwrap_or(statement);
                ensure!(statement["Effect"] == "Allow", "only Allow is understood, not {statement}");
                let actions = each(&statement["Action"]).iter().map(|action| self.text(action));
                let mut actions = actions.collect::<Result<Vec<_>>>()?;
                actions.retain(|action| !NOT_TRIED.contains(&action.as_str()));
                if actions.is_empty() {
                    continue;
                }
                let resources = each(&statement["Resource"]).iter().map(|resource| self.text(resource));
                let resources = resources.collect::<Result<_>>()?;
                rules.push(Rule { actions, resources, condition: statement["Condition"].clone() });
            }
        }
        Ok(rules)
    }

    /// What everybody is tried with.
    fn everything(&self) -> Result<BTreeSet<Probe>> {
        let mut probes = BTreeSet::new();
        for (kind, service, actions) in [
            ("AWS::DynamoDB::Table", "dynamodb", ON_TABLES.as_slice()),
            ("AWS::SQS::Queue", "sqs", ON_QUEUES.as_slice()),
            ("AWS::Cognito::UserPool", "cognito-idp", ON_ACCOUNTS.as_slice()),
        ] {
            for arn in self.all(kind)? {
                probes.extend(actions.iter().map(|action| Probe::new(format!("{service}:{action}"), &arn)));
            }
        }
        for (id, resource) in self.template["Resources"].as_object().context("resources")? {
            for index in resource["Properties"]["GlobalSecondaryIndexes"].as_array().into_iter().flatten() {
                let name = index["IndexName"].as_str().context("an index has a name")?;
                probes.insert(Probe::new("dynamodb:Query", format!("{}/index/{name}", self.arn(id)?)));
            }
        }
        for bucket in self.all("AWS::S3::Bucket")? {
            for action in ON_OBJECTS {
                let keys =
                    KEYS.iter().map(|key| Probe::new(format!("s3:{action}"), format!("{bucket}/{key}")));
                probes.extend(keys);
            }
            for (action, prefix) in
                ON_BUCKETS.iter().flat_map(|action| PREFIXES.map(|prefix| (action, prefix)))
            {
                let prefix = Some(prefix.to_owned());
                probes.insert(Probe { prefix, ..Probe::new(format!("s3:{action}"), &bucket) });
            }
        }
        Ok(probes)
    }
}

/// What is tried with partitions of tables: each that a rule is about, and one that none is.
fn in_partitions(names: &Names<'_>, functions: &BTreeMap<String, Value>) -> Result<BTreeSet<Probe>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for function in functions.values() {
        for rule in names.rules(function)? {
            for table in rule.resources.iter().filter(|_| rule.partitions().next().is_some()) {
                let keys = keys.entry(table.clone()).or_insert_with(|| ["nothing".to_owned()].into());
                keys.extend(rule.partitions().map(|pattern| pattern.replace('*', "nothing")));
            }
        }
    }
    let mut probes = BTreeSet::new();
    for (id, resource) in names.template["Resources"].as_object().context("resources")? {
        if resource["Type"] != "AWS::DynamoDB::Table" {
            continue;
        }
        let arn = names.arn(id)?;
        let Some(values) = keys.get(&arn) else { continue };
        let schema = resource["Properties"]["KeySchema"].as_array().context("a table has a key")?;
        let name = schema[0]["AttributeName"].as_str().context("a key has a name")?;
        for (action, value) in
            ON_PARTITIONS.iter().flat_map(|action| values.iter().map(move |value| (action, value)))
        {
            let key = Some((name.to_owned(), value.clone()));
            probes.insert(Probe { key, ..Probe::new(*action, &arn) });
        }
    }
    Ok(probes)
}

/// One value, or each of several.
fn each(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// Whether a pattern, in which `*` is any text, is that text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }),
    }
}

impl Rule {
    fn allows(&self, probe: &Probe) -> Result<bool> {
        Ok(self.actions.iter().any(|action| matches(action, &probe.action))
            && self.resources.iter().any(|resource| matches(resource, &probe.arn))
            && self.is_met(probe)?)
    }

    fn is_met(&self, probe: &Probe) -> Result<bool> {
        for (operator, keys) in self.condition.as_object().into_iter().flatten() {
            for (key, values) in keys.as_object().into_iter().flatten() {
                match (operator.as_str(), key.as_str()) {
                    // It is met where a request has no key: only scans have none, so no rule with it may allow these.
                    ("ForAllValues:StringEquals" | "ForAllValues:StringLike", "dynamodb:LeadingKeys") => {
                        ensure!(
                            self.actions.iter().all(|action| ON_PARTITIONS.contains(&action.as_str())),
                            "{:?} on some partitions only",
                            self.actions
                        );
                        let mut patterns = each(values).iter().filter_map(Value::as_str);
                        if let Some((_, key)) = &probe.key
                            && !patterns.any(|pattern| matches(pattern, key))
                        {
                            return Ok(false);
                        }
                    }
                    ("StringLike", "s3:prefix") => {
                        let patterns: Vec<_> = each(values).iter().filter_map(Value::as_str).collect();
                        let prefix = probe.prefix.as_deref().filter(|prefix| !prefix.is_empty());
                        if !prefix
                            .is_some_and(|prefix| patterns.iter().any(|pattern| matches(pattern, prefix)))
                        {
                            return Ok(false);
                        }
                    }
                    unknown => bail!("the condition {unknown:?} is not understood"),
                }
            }
        }
        Ok(true)
    }

    /// The partitions that it is about, as patterns; none where it is about whole tables.
    fn partitions(&self) -> impl Iterator<Item = &str> {
        let conditions = self.condition.as_object().into_iter().flatten();
        let values = conditions.filter_map(|(_, keys)| keys.get("dynamodb:LeadingKeys"));
        values.flat_map(each).filter_map(Value::as_str)
    }

    /// Each of its actions on each of its resources.
    fn own(&self) -> Vec<Probe> {
        let resources = self.resources.iter().map(|resource| resource.replace('*', "nothing"));
        let resources: Vec<_> = resources.collect();
        let prefixes = each(&self.condition["StringLike"]["s3:prefix"]).iter();
        let prefix = prefixes.filter_map(Value::as_str).next().map(|prefix| prefix.replace('*', "nothing"));
        let mut probes = Vec::new();
        for (action, arn) in
            self.actions.iter().flat_map(|action| resources.iter().map(move |arn| (action, arn)))
        {
            probes.push(Probe { prefix: prefix.clone(), ..Probe::new(action, arn) });
        }
        probes
    }
}

/// The endpoint in the name of a function's role, as Lambda has it.
async fn role_of(stack: &Stack, account: &str, function: &str) -> Result<Endpoint> {
    let role = stack.resource(&format!("{function}Role"))?;
    let body = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleSessionName=tests&RoleArn=arn%3Aaws%3Aiam%3A%3A{account}%3Arole%2F{role}"
    );
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer =
        signed_request::post(&reqwest::Client::new(), stack.endpoint(), "sts", &headers, body).await?;
    let field = |name: &str| -> Result<String> {
        let (_, after) = answer.split_once(&format!("<{name}>")).with_context(|| format!("no {name}"))?;
        Ok(after.split_once('<').context("an end")?.0.to_owned())
    };
    let [key, secret, token] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(field);
    Ok(stack.endpoint().with_session(&key?, &secret?, &token?))
}

/// What is wrong with a function's role.
async fn faults(
    names: &Names<'_>,
    id: &str,
    function: &Value,
    in_partitions: &BTreeSet<Probe>,
) -> Result<Vec<String>> {
    let rules = names.rules(function)?;
    let role = role_of(names.stack, names.account, id).await?;
    let (queue_address, _) = names.stack.resource("PackageQueue")?.rsplit_once('/').context("an address")?;
    let mut probes = names.everything()?;
    probes.extend(in_partitions.iter().cloned());
    let own: BTreeSet<_> = rules.iter().flat_map(Rule::own).collect();
    probes.extend(own.iter().cloned());
    let http = reqwest::Client::new();
    let mut faults = Vec::new();
    for probe in &probes {
        let mut may = false;
        for rule in &rules {
            may |= rule.allows(probe)?;
        }
        ensure!(may || !own.contains(probe), "{id}: the rules are misread: {probe:?}");
        let is_denied = Request::of(probe, queue_address)?.is_denied(&http, &role).await?;
        if may == is_denied {
            let verdict = if may { "is denied what it needs" } else { "may do what it should not" };
            faults.push(format!("{id} {verdict}: {probe:?}"));
        }
    }
    Ok(faults)
}

#[tokio::test]
async fn each_functions_role_may_do_what_its_policy_says_and_nothing_else() -> Result<()> {
    let Some(stack) = World::get().await.stack() else { return Ok(()) };
    let template = template("template.yaml")?;
    let names = Names::of(stack, &template)?;
    let functions = functions()?;
    let in_partitions = in_partitions(&names, &functions)?;
    let tried = stream::iter(&functions)
        .map(|(id, function)| {
            let (names, in_partitions) = (&names, &in_partitions);
            async move { faults(names, id, function, in_partitions).await.with_context(|| id.clone()) }
        })
        .buffer_unordered(4)
        .try_collect::<Vec<_>>()
        .await?;
    let wrong: Vec<_> = tried.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn patterns_are_read_as_aws_reads_them() {
    for (pattern, text, expected) in [
        ("a/*/original", "a/x/y/original", true),
        ("a/*/original", "a/original", false),
        ("a/*", "a/", true),
        ("a", "a/b", false),
        ("*", "", true),
        ("a*a", "a", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
