//! Runs the screen: collects keys, news and answers into messages, hands them to `update`, carries out its effects and
//! draws. At most sixty frames a second, and none while nothing changes.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use jiff::Timestamp;
use preflight_protocol::client::Connection;
use preflight_protocol::ids::TicketId;
use preflight_protocol::log::LogName;
use preflight_protocol::method::{LogList, TicketCancel, TicketShow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, channel, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::conn::attach::Endpoint;
use crate::conn::link::{self, LinkNews, LinkOrder};
use crate::log::reader::{LogNews, Order, Reader};
use crate::model::state::Model;
use crate::terminal::{self, Taken};
use crate::theme::Theme;
use crate::update::{Effect, Msg, update};
use crate::view::frame;

/// Between two frames: sixty a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// A key repeat or a burst of events is taken whole before the next frame.
const WAITING_NEWS: usize = 1024;

struct App {
    model: Model,
    theme: Theme,
    connection: Option<Connection>,
    orders: Sender<LinkOrder>,
    reader: Option<(u64, Reader)>,
    /// Orders that wait for the log to be found.
    early: Vec<Order>,
    messages: UnboundedSender<AppMsg>,
}

/// What tasks beside the loop have to say.
enum AppMsg {
    Msg(Msg),
    Reader(u64, Reader),
}

/// Runs until the owner quits, or a signal ends it.
///
/// # Errors
/// Where the terminal cannot be taken or drawn on.
pub async fn run(endpoint: Endpoint, theme: Theme, provoke_panic: bool) -> io::Result<()> {
    let mut taken = terminal::take()?;
    let size = taken.terminal.size()?;
    let (link_orders, for_link) = channel(8);
    let (to_news, mut news) = channel(WAITING_NEWS);
    tokio::spawn(link::run(endpoint, for_link, to_news));
    let (messages, mut from_tasks) = unbounded_channel();
    let mut app = App {
        model: Model::new((size.width, size.height), Timestamp::now()),
        theme,
        connection: None,
        orders: link_orders,
        reader: None,
        early: vec![],
        messages,
    };
    app.draw(&mut taken)?;
    assert!(!provoke_panic, "provoked by --provoke-panic");
    app.serve(&mut taken, &mut news, &mut from_tasks).await
}

impl App {
    async fn serve(
        &mut self,
        taken: &mut Taken,
        news: &mut Receiver<LinkNews>,
        from_tasks: &mut tokio::sync::mpsc::UnboundedReceiver<AppMsg>,
    ) -> io::Result<()> {
        let mut keys = EventStream::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut redraw = false;
        let mut next_frame = Instant::now();
        loop {
            let msg = tokio::select! {
                // The owner's hand comes first, then what is to be seen.
                biased;
                key = keys.next() => match key {
                    Some(Ok(event)) => from_terminal(event),
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
                () = sleep_until(next_frame), if redraw => {
                    self.draw(taken)?;
                    redraw = false;
                    next_frame = Instant::now() + FRAME;
                    None
                }
                Some(told) = from_tasks.recv() => match told {
                    AppMsg::Msg(msg) => Some(msg),
                    AppMsg::Reader(generation, reader) => {
                        self.found(generation, reader);
                        None
                    }
                },
                Some(told) = news.recv() => Some(self.told(told)),
                _ = second.tick() => Some(Msg::Tick(Timestamp::now())),
                _ = terminate.recv() => return Ok(()),
                _ = hang_up.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            };
            if let Some(msg) = msg {
                let outcome = update(&mut self.model, msg);
                redraw |= outcome.redraw;
                for effect in outcome.effects {
                    if effect == Effect::Quit {
                        return Ok(());
                    }
                    self.carry_out(effect);
                }
            }
        }
    }

    fn draw(&self, taken: &mut Taken) -> io::Result<()> {
        taken
            .terminal
            .draw(|frame| frame::draw(&self.model, self.theme, frame.buffer_mut()))
            .map(|_| ())
    }

    fn told(&mut self, news: LinkNews) -> Msg {
        match news {
            LinkNews::Attached(connection, snapshot) => {
                self.connection = Some(connection);
                Msg::Attached(snapshot)
            }
            LinkNews::Event(event) => Msg::Event(event),
            LinkNews::Beat(beat) => Msg::Beat(beat),
            LinkNews::Lost(why) => {
                self.connection = None;
                Msg::Lost(why)
            }
            LinkNews::Starting => Msg::Starting,
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            // Ends the loop before it comes here.
            Effect::Quit => {}
            Effect::Refresh => self.order(LinkOrder::Refresh),
            Effect::StartDaemon => self.order(LinkOrder::Start),
            Effect::Show(id) => self.ask(
                move |connection| async move {
                    let answer = connection.request(&TicketShow { id }).await;
                    Msg::Shown(id, answer.map(Box::new).map_err(|error| error.to_string()))
                },
                Msg::Shown(id, Err(NOBODY.to_owned())),
            ),
            Effect::Cancel(id) => self.ask(
                move |connection| async move {
                    let answer = connection.request(&TicketCancel { id }).await;
                    Msg::Cancelled(id, answer.map(drop).map_err(|error| error.to_string()))
                },
                Msg::Cancelled(id, Err(NOBODY.to_owned())),
            ),
            Effect::OpenLog {
                generation,
                ticket,
                name,
            } => {
                self.reader = None;
                self.early.clear();
                self.open_log(generation, ticket, name);
            }
            Effect::Read(order) => match &self.reader {
                Some((_, reader)) => reader.order(order),
                None => self.early.push(order),
            },
            Effect::CloseLog => self.reader = None,
        }
    }

    fn order(&self, order: LinkOrder) {
        // A link that has orders waiting will do as much as this one asks.
        let _ = self.orders.try_send(order);
    }

    /// Asks the daemon in a task of its own; `without` is the answer where there is no connection.
    fn ask<F, A>(&self, question: F, without: Msg)
    where
        F: FnOnce(Connection) -> A,
        A: Future<Output = Msg> + Send + 'static,
    {
        let messages = self.messages.clone();
        match self.connection.clone() {
            None => {
                let _ = messages.send(AppMsg::Msg(without));
            }
            Some(connection) => {
                let answer = question(connection);
                tokio::spawn(async move {
                    let _ = messages.send(AppMsg::Msg(answer.await));
                });
            }
        }
    }

    fn open_log(&self, generation: u64, ticket: TicketId, name: LogName) {
        let trouble = move |text: String| AppMsg::Msg(Msg::Log(generation, LogNews::Trouble(text)));
        let messages = self.messages.clone();
        let Some(connection) = self.connection.clone() else {
            let _ = messages.send(trouble(NOBODY.to_owned()));
            return;
        };
        tokio::spawn(async move {
            let logs = match connection.request(&LogList { ticket, job: None }).await {
                Ok(logs) => logs,
                Err(error) => {
                    let _ = messages.send(trouble(error.to_string()));
                    return;
                }
            };
            let Some(info) = logs.into_iter().find(|info| info.name == name) else {
                let _ = messages.send(trouble(format!("there is no log {name}")));
                return;
            };
            let for_reader = messages.clone();
            let reader = Reader::start(info.path, info.growing, move |news| {
                for_reader.send(AppMsg::Msg(Msg::Log(generation, news))).is_ok()
            });
            let _ = messages.send(AppMsg::Reader(generation, reader));
        });
    }

    /// The log's reader is there: it gets what was ordered meanwhile, unless another log was opened since.
    fn found(&mut self, generation: u64, reader: Reader) {
        if self.model.log.as_ref().is_some_and(|log| log.generation == generation) {
            self.early.drain(..).for_each(|order| reader.order(order));
            self.reader = Some((generation, reader));
        }
    }
}

const NOBODY: &str = "the daemon does not answer just now";

fn from_terminal(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Msg::Key(key)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        _ => None,
    }
}
