//! What Kafka refuses for itself: kept whole, passed on shortened, replayed as a new event; the rest moves on in order.

use florin::actors::housekeeping::Limits;
use florin::protocol::live::LiveEvent;
use florin::store::journal_rows::{self, Names};
use florin::store::{live, outbox as store};

use crate::actors::outbox::rig::{Rig, assert_order, authorized, declined, wait};

/// What live streams show of the journal.
async fn shown_live(rig: &Rig) -> Vec<LiveEvent> {
    let mut db = rig.pool.acquire().await.unwrap();
    let tip = journal_rows::tip(&mut *db).await.unwrap();
    let part = live::read(&mut db, &mut Names::default(), 0, tip, i64::MAX).await.unwrap();
    part.events.into_iter().filter_map(live::JournalEvent::shown).collect()
}

/// Fails when the batch is sent again as it was (nothing ever moves on), when its neighbours are given up too, when
/// the letter is written after its place was passed (a panic in between would lose it), or when live streams show a
/// replay of what they have shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_too_large_becomes_a_dead_letter_and_the_rest_moves_on_in_order() {
    let rig = Rig::new("deadletters").await;
    let huge = authorized("agg-huge", &"x".repeat(1_500_000));
    for n in 0..40 {
        rig.write(&format!("agg-{}", n % 4)).await;
        match n {
            13 | 14 => rig.put(1, "agg-huge", &huge.replace("USD", if n == 13 { "USD" } else { "EUR" })).await,
            20 => rig.put(99, "agg-unknown", "{}").await,
            _ => {}
        }
    }
    rig.args.faults.panic_at("outbox.before_dead_letter", 1, 1);
    rig.args.faults.panic_at("outbox.after_begin", 2, 1);
    let publisher = rig.start().await;
    rig.drained().await;
    assert_order(&rig.events().await);
    assert_eq!(rig.events().await.len(), 40);

    let mut letters = store::list_dead_letters(&rig.pool, 0, false, 100).await.unwrap();
    letters.sort_by_key(|letter| letter.seq);
    let kinds: Vec<_> =
        letters.iter().map(|letter| (letter.event.0, letter.error.split(':').next().unwrap().to_owned())).collect();
    assert_eq!(
        kinds,
        [(1, "message_too_large".into()), (1, "message_too_large".into()), (99, "invalid_record".into())]
    );
    assert_eq!(letters[0].body, huge, "the letter is whole");
    let records = rig.dead_letters().await;
    assert_eq!(records.len(), 3, "once each, whatever the publisher went through");
    let first = records.iter().find(|record| record.body["payload"]["currency"] == "USD").unwrap();
    assert_eq!(first.body["event_type"], "PaymentAuthorized");
    assert!(first.body["error"].as_str().unwrap().starts_with("message_too_large"));

    // Replayed with a larger limit, it is the last event.
    publisher.stop().await;
    let shown = store::show_dead_letter(&rig.pool, letters[0].id).await.unwrap().unwrap();
    assert_eq!(shown.seq, letters[0].seq);
    assert!(matches!(store::ask_replay(&rig.pool, 12345).await, Err(store::ReplayError::Unknown(12345))));
    store::ask_replay(&rig.pool, letters[0].id).await.unwrap();
    store::ask_replay(&rig.pool, letters[0].id).await.unwrap();
    let mut larger = rig;
    larger.args.kafka.record_bytes_max = 3_000_000;
    let florin = crate::actors::outbox::served::served(&larger, Limits::default()).await;
    let replayed = async || store::show_dead_letter(&larger.pool, letters[0].id).await.unwrap().unwrap().replayed_as;
    wait("whoever leads tells it again", async || replayed().await.is_some()).await;
    let place = replayed().await.unwrap();
    let again = store::ask_replay(&larger.pool, letters[0].id).await;
    assert!(
        matches!(again, Err(store::ReplayError::Replayed { replayed_as, .. }) if replayed_as == place),
        "{again:?}"
    );
    assert_eq!(store::list_dead_letters(&larger.pool, 0, false, 100).await.unwrap().len(), 2);
    larger.drained().await;
    let live = shown_live(&larger).await;
    let of_huge: Vec<i64> = live.iter().filter(|event| *event.body == *huge).map(|event| event.id).collect();
    assert_eq!(of_huge, [letters[0].seq], "live streams had it at its first place");
    assert_eq!(live.iter().filter(|event| &*event.key == "agg-huge").count(), 2);
    // The topic's own limit is smaller than the client's now: the broker refuses it, it is found and given up after its
    // retries.
    let letters = store::list_dead_letters(&larger.pool, 0, true, 100).await.unwrap();
    let letter = letters.iter().find(|letter| letter.seq == place);
    // Compressed it is small, and then it passes.
    let events = larger.events().await;
    assert_eq!(events.iter().filter(|event| event.key == "agg-huge").count(), usize::from(letter.is_none()));
    florin.stop().await;
}

/// The client lets these pass, the broker does not, and refuses the whole package. Fails when the package's neighbours
/// are given up with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_broker_refuses_is_found_among_its_neighbours() {
    let mut rig = Rig::new("brokerrefuses").await;
    rig.args.kafka.record_bytes_max = 5_000_000;
    // What does not compress, so that the topic's limit (1 MB) is met.
    let mut state = 1_u64;
    let noise: String = (0..2_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from((state >> 33) % 75).unwrap())
        })
        .filter(|character| !matches!(character, '"' | '\\'))
        .collect();
    for n in 0..30 {
        rig.write(&format!("agg-{}", n % 3)).await;
        if n == 11 {
            rig.put(1, "agg-huge", &authorized("agg-huge", &noise)).await;
            rig.put(2, "agg-declined", &declined("agg-declined")).await;
        }
    }
    let publisher = rig.start().await;
    rig.drained().await;
    publisher.stop().await;
    let letters = store::list_dead_letters(&rig.pool, 0, false, 100).await.unwrap();
    assert_eq!(letters.len(), 1, "{:?}", letters.iter().map(|letter| &letter.error).collect::<Vec<_>>());
    assert_eq!(letters[0].retry_count, 5);
    assert!(letters[0].error.starts_with("max_retries_exceeded: message_too_large"), "{}", letters[0].error);
    let events = rig.events().await;
    assert_eq!(events.len(), 31);
    assert_order(&events);
    assert_eq!(rig.dead_letters().await.len(), 1);
}

/// Fails when a topic that is missing is taken for the record's fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_topic_is_waited_for_and_nothing_is_given_up() {
    let mut rig = Rig::new("notopic").await;
    rig.args.kafka.topic_prefix = format!("{}_later", rig.name);
    rig.write("a").await;
    let publisher = rig.start().await;
    use florin::resilience::health::Condition;
    wait(
        "health says so",
        async || matches!(rig.condition(), Condition::Degraded(reason) if !reason.contains("starting")),
    )
    .await;
    florin::messaging::topics::ensure_topics(&rig.args.kafka).await.unwrap();
    rig.drained().await;
    publisher.stop().await;
    assert_eq!(rig.assert_exactly_once().await, 1);
    assert!(store::list_dead_letters(&rig.pool, 0, true, 10).await.unwrap().is_empty());
}
