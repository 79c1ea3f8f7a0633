//! The table of what came of the targets.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::run::Run;

pub(crate) fn of(runs: &[Run], cases: u32) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header(["target", "cases", "time", "largest input", "peak memory", "held"]);
    for run in runs {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            run.target.to_string(),
            cases.to_string(),
            format!("{:.1} s", run.time.as_secs_f64()),
            or_none(run.largest.map(|bytes| format!("{bytes} B"))),
            or_none(run.peak.map(|kib| format!("{:.1} MiB", kib as f64 / 1024.0))),
            if run.has_held { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    for column in 1..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}
