//! Tables for a terminal: columns under each other, nothing wider than the screen, and nothing in them that a terminal
//! would obey.

use std::io::{self, IsTerminal};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::log::escaped;

/// Which side of its column a value stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

/// Rows of as many values as there are headings.
pub struct Table {
    headings: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: usize = 2;

/// A column is not cut below this for the sake of others.
const NARROWEST: usize = 6;

impl Table {
    pub fn new(headings: &[(&'static str, Side)]) -> Table {
        Table { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Values are text of whatever origin.
    pub fn row(&mut self, values: Vec<String>) {
        debug_assert_eq!(values.len(), self.headings.len());
        self.rows.push(values.iter().map(|value| escaped(value.as_bytes()).to_string()).collect());
    }

    /// The lines, the heading first, none wider than `width` columns (None: as wide as they are).
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let heading: Vec<String> = self.headings.iter().map(|(title, _)| (*title).to_string()).collect();
        let all = || std::iter::once(&heading).chain(&self.rows);
        let mut widths: Vec<usize> = (0..heading.len())
            .map(|column| all().map(|row| row[column].width()).max().unwrap_or_default())
            .collect();
        if let Some(width) = width {
            narrow(&mut widths, width);
        }
        all().map(|row| self.line(row, &widths, width)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize], width: Option<usize>) -> String {
        let mut line = String::new();
        for (index, (value, (_, side))) in row.iter().zip(&self.headings).enumerate() {
            let value = cut(value, widths[index]);
            let blank = " ".repeat(widths[index].saturating_sub(value.width()));
            match side {
                Side::Left => line.push_str(&format!("{value}{blank}")),
                Side::Right => line.push_str(&format!("{blank}{value}")),
            }
            line.push_str(&" ".repeat(GAP));
        }
        let line = line.trim_end();
        width.map_or_else(|| line.to_string(), |width| cut(line, width))
    }

    /// As text for standard output.
    pub fn text(&self) -> String {
        self.lines(terminal_width()).iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Takes from the widest columns what is too much.
fn narrow(widths: &mut [usize], width: usize) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width) else { return };
        if total <= width || *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
    }
}

/// The beginning of a text; an ellipsis stands for the rest.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        cut.push(character);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// How wide the terminal is, if standard output is one.
pub fn terminal_width() -> Option<usize> {
    io::stdout()
        .is_terminal()
        .then(|| terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| usize::from(width.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new(&[("ID", Side::Right), ("USER", Side::Left), ("FILE", Side::Left)]);
        rows.iter().for_each(|row| table.row(row.iter().map(ToString::to_string).collect()));
        table
    }

    #[test]
    fn columns_stand_under_each_other() {
        let lines = table(&[["7", "alice", "/a"], ["1234", "b", "/b b"]]).lines(None);
        assert_eq!(lines, ["  ID  USER   FILE", "   7  alice  /a", "1234  b      /b b"]);
    }

    #[test]
    fn a_terminal_is_given_nothing_to_obey() {
        let lines = table(&[["7", "\x1b[2J", "a\nb\u{202e}"]]).lines(None);
        assert_eq!(lines.len(), 2);
        assert!(!lines[1].contains(|c: char| c.is_control() || c == '\u{202e}'), "{lines:?}");
    }

    #[test]
    fn the_longest_column_is_cut_first() {
        let lines = table(&[["7", "alice", &"x".repeat(100)]]).lines(Some(30));
        assert!(lines[1].starts_with(" 7  alice  xxx") && lines[1].ends_with('…'), "{lines:?}");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(user: String, file: String, width in 1usize..120) {
            for line in table(&[["1", &user, &file]]).lines(Some(width)) {
                prop_assert!(line.width() <= width, "{line:?}");
            }
        }
    }
}
