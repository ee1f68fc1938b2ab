//! Figures beside their limits.

/// One row.
struct Row {
    name: String,
    value: f64,
    limit: Option<f64>,
}

/// What was measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// A figure that may be at most `limit`.
    pub fn at_most(&mut self, name: &str, value: f64, limit: f64) {
        self.push(name, value, Some(limit));
    }

    /// A figure without a limit.
    pub fn note(&mut self, name: &str, value: f64) {
        self.push(name, value, None);
    }

    /// The figure of this name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name).map(|row| row.value)
    }

    /// Whether every limit is kept. A figure that could not be measured keeps none.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }

    /// Prints it.
    pub fn print(&self) {
        println!("\n{:<52} {:>9} {:>9}", "", "measured", "at most");
        self.rows.iter().for_each(Row::print);
    }

    fn push(&mut self, name: &str, value: f64, limit: Option<f64>) {
        let row = Row { name: name.to_owned(), value, limit };
        row.print();
        self.rows.push(row);
    }
}

impl Row {
    fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.value <= limit)
    }

    fn print(&self) {
        let Self { name, value, limit } = self;
        match limit {
            Some(limit) => {
                let verdict = if self.holds() { "pass" } else { "FAIL" };
                println!("{name:<52} {value:>9.3} {limit:>9.2}  {verdict}");
            }
            None => println!("{name:<52} {value:>9.3}"),
        }
    }
}
