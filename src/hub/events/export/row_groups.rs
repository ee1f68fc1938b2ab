//! Parquet: a row group at a time, Snappy-compressed, with the texts that are filtered by as dictionaries.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::query::Row;

/// A row group is written when it has so many rows, or so many bytes of events.
const MOST_ROWS: usize = 20_000;
const MOST_BYTES: usize = 16 << 20;

/// Of the file. Times are in nanoseconds; `event` is the whole CloudEvent, JSON.
const SCHEMA: &str = "message event {
    required int64 number;
    required binary id (STRING);
    required binary agent (STRING);
    required binary class (STRING);
    required binary epoch (STRING);
    required int64 seq;
    required int64 time (TIMESTAMP(NANOS, true));
    required int64 received (TIMESTAMP(NANOS, true));
    required boolean admitted;
    required binary kind (STRING);
    required binary severity (STRING);
    required binary phase (STRING);
    required binary episode (STRING);
    required binary camera (STRING);
    required binary rule (STRING);
    required binary label (STRING);
    required binary event (STRING);
}";

/// A file that is being written.
pub(super) struct RowGroups {
    writer: SerializedFileWriter<Vec<u8>>,
    rows: Vec<Row>,
    bytes: usize,
}

/// A column of the rows.
enum Column {
    Numbers(fn(&Row) -> i64),
    Texts(fn(&Row) -> &str),
    /// Texts that have to be made, and are dropped when the column is written.
    Made(fn(&Row) -> String),
    Flags(fn(&Row) -> bool),
}

/// In the order of the schema.
const COLUMNS: [Column; 17] = [
    Column::Numbers(|row| row.number),
    Column::Made(Row::id),
    Column::Texts(|row| &row.agent),
    Column::Texts(|row| &row.class),
    Column::Texts(|row| &row.epoch),
    Column::Numbers(|row| row.seq),
    Column::Numbers(|row| row.time_ns),
    Column::Numbers(|row| row.received_ns),
    Column::Flags(|row| row.admitted),
    Column::Texts(|row| &row.kind),
    Column::Texts(|row| &row.severity),
    Column::Texts(|row| &row.phase),
    Column::Texts(|row| &row.episode),
    Column::Texts(|row| &row.camera),
    Column::Texts(|row| &row.rule),
    Column::Texts(|row| &row.label),
    Column::Texts(|row| &row.body),
];

impl RowGroups {
    /// An empty file.
    pub(super) fn new() -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let event = ColumnPath::from("event");
        let properties = WriterProperties::builder()
            .set_created_by(concat!("vedette ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            // Each is another: a dictionary of them, or the least and the greatest, would be of no use.
            .set_column_dictionary_enabled(event.clone(), false)
            .set_column_statistics_enabled(event, parquet::file::properties::EnabledStatistics::None)
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        Ok(Self { writer, rows: Vec::new(), bytes: 0 })
    }

    /// Adds rows to the group that is next.
    pub(super) fn add(&mut self, rows: Vec<Row>) {
        self.bytes += rows.iter().map(|row| row.body.len()).sum::<usize>();
        self.rows.extend(rows);
    }

    /// Whether the next group should be written now.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS || self.bytes >= MOST_BYTES
    }

    /// Writes the rows that were added as a group.
    pub(super) fn write(&mut self) -> Result<(), ParquetError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &COLUMNS {
            let Some(mut writer) = group.next_column()? else {
                return Err(ParquetError::General("the schema has fewer columns than are written".to_owned()));
            };
            column.write(writer.untyped(), &self.rows)?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (Vec::new(), 0);
        Ok(())
    }

    /// Takes what can be sent.
    pub(super) fn take(&mut self) -> Result<Vec<u8>, ParquetError> {
        self.writer.flush()?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// Ends the file; what is left of it.
    pub(super) fn end(self) -> Result<Vec<u8>, ParquetError> {
        self.writer.into_inner()
    }
}

impl Column {
    fn write(&self, to: &mut ColumnWriter<'_>, rows: &[Row]) -> Result<(), ParquetError> {
        let bytes = |text: &str| ByteArray::from(text);
        match (self, to) {
            (Self::Numbers(of), ColumnWriter::Int64ColumnWriter(to)) => {
                to.write_batch(&rows.iter().map(of).collect::<Vec<_>>(), None, None)?
            }
            (Self::Flags(of), ColumnWriter::BoolColumnWriter(to)) => {
                to.write_batch(&rows.iter().map(of).collect::<Vec<_>>(), None, None)?
            }
            (Self::Texts(of), ColumnWriter::ByteArrayColumnWriter(to)) => {
                to.write_batch(&rows.iter().map(|row| bytes(of(row))).collect::<Vec<_>>(), None, None)?
            }
            (Self::Made(of), ColumnWriter::ByteArrayColumnWriter(to)) => {
                to.write_batch(&rows.iter().map(|row| bytes(&of(row))).collect::<Vec<_>>(), None, None)?
            }
            _ => return Err(ParquetError::General("a column of the schema has another type".to_owned())),
        };
        Ok(())
    }
}
