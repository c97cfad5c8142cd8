//! How to repeat a run, and on what it was computed.

use super::Run;
use crate::report::Report;
use maud::{Markup, html};
use serde_json::Value;

pub fn panel(run: Run) -> Option<Markup> {
    let report = run.report;
    Some(html! {
        p { "With the same adapter, driver and version of the program this command gives the same model to the bit:" }
        pre { code { (report.repeat) } }
        dl {
            dt { "Program" } dd { (report.model.training["program"].as_str().unwrap_or("unknown")) }
            dt { "Trained on" } dd { (adapter(&report.trained_on)) }
            dt { "Examined on" } dd { (report.adapter.to_string()) }
            dt { "Driver checked" } dd { (verified(report)) }
        }
        p { "The recipe, " code { "recipe.toml" } " in the folder of the run:" }
        pre { code { (report.recipe) } }
    })
}

/// An adapter from a log.
pub fn adapter(adapter: &Value) -> String {
    let part = |key: &str| adapter[key].as_str().filter(|part| !part.is_empty());
    let Some(name) = part("name") else { return "unknown".into() };
    let more: Vec<String> = [part("backend").map(str::to_string), part("type").map(str::to_string)]
        .into_iter()
        .chain([part("driver").map(|driver| format!("driver {driver}"))])
        .flatten()
        .collect();
    format!("{name} ({})", more.join(", "))
}

/// What `verify` found on the adapter that examined the model.
pub fn verified(report: &Report) -> String {
    match report.verified {
        Some(verified) if verified.passed == verified.cases => {
            format!("{} of {} cases agree with the CPU reference", verified.passed, verified.cases)
        }
        Some(verified) => format!(
            "{} of {} cases differ from the CPU reference: results of this driver cannot be trusted",
            verified.cases - verified.passed,
            verified.cases
        ),
        None => "not yet with this version; mnist-gpu verify does it".into(),
    }
}
