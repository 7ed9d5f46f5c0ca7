//! Whether the parts that S3 has are the ones that were planned.

use std::collections::BTreeMap;

use library::{Checksum, PartPlan};

use crate::multipart::StoredPart;

/// How many numbers an answer spells out.
const SHOWN: usize = 20;

/// A sentence that names the parts that are missing, have another size than planned, or lack the checksum that
/// was agreed on; none if everything is there. It presumes that S3 lists a part once.
pub(crate) fn problem_with(parts: &[StoredPart], plan: PartPlan, checksum: Checksum) -> Option<String> {
    let stored: BTreeMap<u32, &StoredPart> = parts.iter().map(|part| (part.number, part)).collect();
    let planned = 1..=plan.part_count();
    let select = |is_wrong: &dyn Fn(&StoredPart) -> bool| -> Vec<u32> {
        planned.clone().filter(|number| stored.get(number).is_some_and(|part| is_wrong(part))).collect()
    };
    let missing: Vec<u32> = planned.clone().filter(|number| !stored.contains_key(number)).collect();
    let wrong_size = select(&|part| plan.size_of_part(part.number) != Some(part.size_bytes));
    let unchecked = select(&|part| checksum == Checksum::Sha256 && part.sha256.is_none());
    let surplus: Vec<u32> = stored.keys().copied().filter(|number| !planned.contains(number)).collect();
    let sentences = [
        ("missing", missing),
        ("of a size that was not planned", wrong_size),
        ("without a checksum", unchecked),
        ("not planned", surplus),
    ];
    let sentences: Vec<String> = sentences
        .into_iter()
        .filter(|(_, numbers)| !numbers.is_empty())
        .map(|(what, numbers)| format!("{} {what}.", subject(&numbers)))
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn subject(numbers: &[u32]) -> String {
    let shown: Vec<String> = numbers.iter().take(SHOWN).map(u32::to_string).collect();
    match numbers.len() {
        1 => format!("Part {} is", shown.join("")),
        count if count > SHOWN => format!("Parts {} and {} more are", shown.join(", "), count - SHOWN),
        _ => format!("Parts {} are", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn part(number: u32, size_bytes: u64) -> StoredPart {
        StoredPart { number, size_bytes, etag: "e".to_owned(), sha256: Some("s".to_owned()) }
    }

    fn plan() -> PartPlan {
        PartPlan::for_size(20 * MIB).expect("the size is in range")
    }

    #[test]
    fn planned_parts_in_any_order_are_no_problem() {
        let parts = [part(3, 4 * MIB), part(1, 8 * MIB), part(2, 8 * MIB)];
        assert_eq!(problem_with(&parts, plan(), Checksum::Sha256), None);
    }

    #[test]
    fn every_kind_of_problem_is_named() {
        let mut parts = vec![part(1, 8 * MIB), part(3, 5 * MIB), part(9, 8 * MIB)];
        parts[0].sha256 = None;
        assert_eq!(
            problem_with(&parts, plan(), Checksum::Sha256).as_deref(),
            Some(
                "Part 2 is missing. Part 3 is of a size that was not planned. Part 1 is without a checksum. \
                 Part 9 is not planned."
            )
        );
    }

    #[test]
    fn checksums_are_asked_for_only_when_they_were_agreed_on() {
        let mut parts = [part(1, 8 * MIB), part(2, 8 * MIB), part(3, 4 * MIB)];
        parts.iter_mut().for_each(|part| part.sha256 = None);
        assert_eq!(problem_with(&parts, plan(), Checksum::None), None);
        assert!(problem_with(&parts, plan(), Checksum::Sha256).is_some());
    }

    #[test]
    fn a_long_list_is_cut_short() {
        let plan = PartPlan::for_size(8 * MIB * 50).expect("the size is in range");
        let detail = problem_with(&[], plan, Checksum::Sha256).expect("all are missing");
        assert!(detail.ends_with("20 and 30 more are missing."), "{detail}");
    }
}
