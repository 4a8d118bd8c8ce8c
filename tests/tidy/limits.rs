//! Every row of docs/limits.md is met by a test: one that goes up to the limit and beyond it, or, where that would cost a
//! test too much, by the constant, which then says what the row says. `limits.txt` has a line for each: what the row
//! begins with, a file, and the name of a test (`fn ...`) or a text that stand in it.

use std::fs;

use super::sources::{root, tidy};

/// The first cells of the tables' rows.
fn rows(page: &str) -> Vec<&str> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.filter(|cell| *cell != "what" && !cell.starts_with("---")).collect()
}

#[test]
fn every_row_of_the_limits_is_met_by_a_test_or_says_what_the_code_says() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let (rows, mut wrong, mut met) = (rows(&page), Vec::new(), vec![0; rows(&page).len()]);
    for line in include_str!("limits.txt").lines() {
        let [begins, file, text] = line.split(" | ").collect::<Vec<_>>()[..] else {
            wrong.push(format!("tests/tidy/limits.txt: {line:?} is not a row, a file and a text"));
            continue;
        };
        let found: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].starts_with(begins)).collect();
        match found[..] {
            [at] => met[at] += 1,
            _ => wrong.push(format!("docs/limits.md: {} rows begin with {begins:?}", found.len())),
        }
        let text = if text.starts_with("fn ") { format!("{text}(") } else { text.to_owned() };
        if !fs::read_to_string(root().join(file)).is_ok_and(|code| code.contains(&text)) {
            wrong.push(format!("{begins:?}: {text:?} does not stand in {file}"));
        }
    }
    for (row, _) in rows.iter().zip(met).filter(|(_, met)| *met == 0) {
        wrong.push(format!("docs/limits.md: the row {row:?} has no line in tests/tidy/limits.txt"));
    }
    tidy(&wrong);
}
