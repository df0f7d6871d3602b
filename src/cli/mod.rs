//! Parse, dispatch, report.
