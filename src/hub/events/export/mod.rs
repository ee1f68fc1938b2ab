//! Events as a file: JSON lines, CSV or Parquet, made piece by piece while it is sent.
//!
//! What is exported is what was stored when the export began, the newest first, as a page of the query is. However much
//! that is, the hub holds a page of it, for Parquet a row group; the next piece is made when the last has been taken. An
//! export that fails on the way breaks off, so that half a file cannot be taken for a whole one.

mod csv;
mod row_groups;

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::query::{self, Filter, QueryError, Row};
use crate::hub::database::{Database, DatabaseError};
use row_groups::RowGroups;

/// How many exports there are at the same time: each may use a connection to the database, and most must be left.
const EXPORTS: usize = 4;
/// How many events are read at once.
const PAGE: u16 = 500;

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object per line, as in the pages of the query.
    JsonLines,
    /// RFC 4180, with a line of names.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Why nothing is exported, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Too much is exported already.
    #[error("{EXPORTS} exports are running already: try again later")]
    Full,
    /// There is no such format.
    #[error("{0:?} is no format: jsonl, csv or parquet")]
    Format(String),
    /// It is no page.
    #[error("an export has neither limit nor cursor: it is all that the filter finds")]
    Page,
    /// The filter is faulty, or the database fails.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// An event cannot be written.
    #[error("writing an event as JSON")]
    Json(#[from] serde_json::Error),
    /// A row group cannot be written.
    #[error("writing Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The thread that writes a row group broke.
    #[error("writing Parquet")]
    Broken(#[from] tokio::task::JoinError),
}

impl From<DatabaseError> for ExportError {
    fn from(error: DatabaseError) -> Self {
        Self::Query(error.into())
    }
}

impl Format {
    /// Of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::JsonLines => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// As it is asked for, and as the file's name ends.
    pub fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

impl FromStr for Format {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        let named = [Self::JsonLines, Self::Csv, Self::Parquet].into_iter().find(|format| format.extension() == text);
        named.ok_or_else(|| ExportError::Format(text.chars().take(40).collect()))
    }
}

/// Makes exports. Cloning is cheap.
#[derive(Clone)]
pub struct Exports {
    database: Database,
    seats: Arc<Semaphore>,
}

impl Exports {
    /// Those of `database`.
    pub fn new(database: Database) -> Self {
        Self { database, seats: Arc::new(Semaphore::new(EXPORTS)) }
    }

    /// Begins a file with what `filter` finds now.
    ///
    /// # Errors
    /// When too many are being made, the filter is faulty, or the database fails.
    pub async fn begin(&self, filter: Filter, format: Format) -> Result<Export, ExportError> {
        if filter.limit.is_some() || filter.cursor.is_some() {
            return Err(ExportError::Page);
        }
        query::check(&filter)?;
        let seat = self.seats.clone().try_acquire_owned().map_err(|_| ExportError::Full)?;
        let upto = query::newest(&self.database).await?;
        let writer = match format {
            Format::JsonLines => Writer::JsonLines,
            Format::Csv => Writer::Csv { is_begun: false },
            Format::Parquet => Writer::Parquet(Box::new(RowGroups::new()?)),
        };
        Ok(Export { database: self.database.clone(), filter, upto, writer: Some(writer), _seat: seat })
    }
}

enum Writer {
    JsonLines,
    Csv { is_begun: bool },
    Parquet(Box<RowGroups>),
}

/// A file that is being made.
pub struct Export {
    database: Database,
    filter: Filter,
    upto: i64,
    /// None when all has been written.
    writer: Option<Writer>,
    _seat: OwnedSemaphorePermit,
}

impl Export {
    /// The number of the newest event that there was when it began.
    pub fn upto(&self) -> i64 {
        self.upto
    }

    /// The next piece; none after the last.
    ///
    /// # Errors
    /// When the database fails or an event cannot be written; then the file is not whole.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ExportError> {
        while let Some(writer) = self.writer.take() {
            let (rows, next) = query::rows(&self.database, &self.filter, self.upto, PAGE).await?;
            self.filter.cursor = next;
            let (piece, writer) = writer.write(rows, self.filter.cursor.is_none()).await?;
            self.writer = writer;
            if !piece.is_empty() {
                return Ok(Some(piece.into()));
            }
        }
        Ok(None)
    }
}

impl Writer {
    /// Writes rows, which may be the last. Returns what is ready to be sent, and itself where more is to come.
    async fn write(self, rows: Vec<Row>, is_last: bool) -> Result<(Vec<u8>, Option<Self>), ExportError> {
        let (piece, writer) = match self {
            Self::JsonLines => (lines(rows)?, Self::JsonLines),
            Self::Csv { is_begun } => {
                let mut text = if is_begun { String::new() } else { csv::names() };
                rows.iter().for_each(|row| csv::line(&mut text, row));
                (text.into_bytes(), Self::Csv { is_begun: true })
            }
            Self::Parquet(mut groups) => {
                groups.add(rows);
                if is_last || groups.is_full() {
                    // Compressing megabytes would hold up other requests on this thread.
                    groups = tokio::task::spawn_blocking(move || groups.write().map(|()| groups)).await??;
                }
                if is_last {
                    return Ok((groups.end()?, None));
                }
                (groups.take()?, Self::Parquet(groups))
            }
        };
        Ok((piece, Some(writer).filter(|_| !is_last)))
    }
}

fn lines(rows: Vec<Row>) -> Result<Vec<u8>, ExportError> {
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, &row.into_facts()?)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::super::store::{self, tests::event};
    use super::*;

    async fn add(database: &Database, numbers: std::ops::RangeInclusive<u64>) {
        let mut write = database.write().await.unwrap();
        store::store(&mut write, &numbers.map(event).collect::<Vec<_>>(), 0).await.unwrap();
        write.commit().await.unwrap();
    }

    #[tokio::test]
    async fn an_export_holds_what_was_there_when_it_began_and_few_run_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/hub.db", folder.path().display())).await.unwrap();
        add(&database, 1..=1200).await;
        let exports = Exports::new(database.clone());
        let mut export = exports.begin(Filter::default(), Format::JsonLines).await.unwrap();
        let mut file = export.next().await.unwrap().unwrap().to_vec();
        assert_eq!(file.iter().filter(|byte| **byte == b'\n').count(), usize::from(PAGE), "a page at a time");
        add(&database, 1201..=1300).await;
        while let Some(piece) = export.next().await.unwrap() {
            file.extend_from_slice(&piece);
        }
        assert_eq!(file.iter().filter(|byte| **byte == b'\n').count(), 1200);

        let mut running = vec![export];
        for _ in 1..EXPORTS {
            running.push(exports.begin(Filter::default(), Format::Csv).await.unwrap());
        }
        assert!(matches!(exports.begin(Filter::default(), Format::Csv).await, Err(ExportError::Full)));
        running.pop();
        assert!(exports.begin(Filter::default(), Format::Csv).await.is_ok());
    }
}
