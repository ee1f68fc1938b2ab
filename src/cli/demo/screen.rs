//! The demo's one-screen terminal view: cameras with rates and latency, and the last alerts.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, List, Row, Table};

/// How many alerts are kept for the screen; a terminal shows fewer.
const ALERTS_KEPT: usize = 200;

/// What the screen shows.
#[derive(Debug, Default)]
pub struct Shown {
    /// A line per camera.
    pub cameras: Vec<CameraRow>,
    /// The last alerts, newest first.
    pub alerts: VecDeque<String>,
    /// The line at the top: model, provider, broker.
    pub title: String,
    /// The line at the bottom: where to look and how to end.
    pub footer: String,
}

/// One camera as shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CameraRow {
    /// Its id.
    pub id: String,
    /// Its state, in words.
    pub state: String,
    /// Pictures a second that arrived.
    pub fps: f32,
    /// Detections run a second.
    pub inferences: f32,
    /// Inference latency, median and 95th percentile, in milliseconds.
    pub latency: (f32, f32),
    /// Decoder and picture size.
    pub decoder: String,
}

impl Shown {
    /// Puts an alert on top.
    pub fn alert(&mut self, text: String) {
        self.alerts.push_front(text);
        self.alerts.truncate(ALERTS_KEPT);
    }
}

/// The terminal while the demo owns it. Dropping it gives it back as it was.
#[derive(Debug)]
pub struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When stdout is not a terminal that can be drawn on.
    pub fn open() -> io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()? })
    }

    /// Draws `shown`.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, shown: &Shown) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, shown)).map(|_| ())
    }

    /// Waits at most `limit` for a key; true when it asks to quit (q, Esc or Ctrl-C).
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn quit_pressed(&mut self, limit: Duration) -> io::Result<bool> {
        if !event::poll(limit)? {
            return Ok(false);
        }
        let Event::Key(key) = event::read()? else { return Ok(false) };
        let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        let quit = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
        Ok(key.kind == KeyEventKind::Press && (interrupt || quit))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone with the session; there is nobody left to tell.
        let _ = ratatui::try_restore();
    }
}

fn draw(frame: &mut Frame, shown: &Shown) {
    let height = u16::try_from(shown.cameras.len()).unwrap_or(u16::MAX).saturating_add(3);
    let lines = u16::try_from(shown.footer.lines().count()).unwrap_or(1).max(1);
    let areas = Layout::vertical([Constraint::Length(height), Constraint::Min(3), Constraint::Length(lines)]);
    let [cameras, alerts, footer] = areas.areas(frame.area());
    frame.render_widget(camera_table(shown), cameras);
    let items = shown.alerts.iter().map(|a| Line::from(a.as_str()));
    frame.render_widget(List::new(items).block(Block::bordered().title("alerts, newest first")), alerts);
    frame.render_widget(Text::from(shown.footer.as_str()).dim(), footer);
}

fn camera_table(shown: &Shown) -> Table<'_> {
    let header = ["camera", "state", "fps", "detections/s", "inference p50/p95 ms", "decoder"];
    let widths = [
        Constraint::Length(16),
        Constraint::Length(12),
        Constraint::Length(6),
        Constraint::Length(12),
        Constraint::Length(20),
        Constraint::Min(10),
    ];
    Table::new(shown.cameras.iter().map(camera_row), widths)
        .header(Row::new(header).bold())
        .block(Block::bordered().title(shown.title.as_str()))
}

fn camera_row(camera: &CameraRow) -> Row<'_> {
    let colour = if camera.state == "streaming" { Color::Green } else { Color::Yellow };
    Row::new([
        Cell::from(camera.id.as_str()),
        Cell::from(camera.state.as_str()).style(Style::new().fg(colour)),
        Cell::from(format!("{:.1}", camera.fps)),
        Cell::from(format!("{:.1}", camera.inferences)),
        Cell::from(format!("{:.1} / {:.1}", camera.latency.0, camera.latency.1)),
        Cell::from(camera.decoder.as_str()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn one_screen_shows_cameras_alerts_and_where_to_look() {
        let mut shown = Shown { title: "vedette demo".into(), footer: "the hub\nq quits".into(), ..Shown::default() };
        shown.cameras.push(CameraRow {
            id: "street".into(),
            state: "streaming".into(),
            fps: 10.04,
            inferences: 5.0,
            latency: (14.2, 16.0),
            decoder: "avdec_h264 768x432".into(),
        });
        shown.alert("12:00:01 person in zone yard".into());
        let mut terminal = Terminal::new(TestBackend::new(90, 12)).unwrap();
        terminal.draw(|frame| draw(frame, &shown)).unwrap();
        insta::assert_snapshot!(terminal.backend());
    }

    #[test]
    fn alerts_are_bounded_and_newest_first() {
        let mut shown = Shown::default();
        (0..ALERTS_KEPT + 5).for_each(|i| shown.alert(i.to_string()));
        assert_eq!(shown.alerts.len(), ALERTS_KEPT);
        assert_eq!(shown.alerts[0], (ALERTS_KEPT + 4).to_string());
    }
}
