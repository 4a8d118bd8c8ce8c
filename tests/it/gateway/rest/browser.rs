//! What a page of somebody else's cannot have a browser do here, and that clients which are no browsers go on as before.

use reqwest::Method;

use super::{World, payment};

const REBUILD_ALL: &str = "admin/accounts/rebuild-all";

/// Fails when a page of another origin is let in, by a form, by a script or by a name that points here; and when a client
/// without a body, without a content type or by another of this machine's names is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_moves_nothing() {
    let world = World::start().await;
    let (ada, bob) = (world.user("10").await, world.user("0").await);
    let post = |path: &str, shown: &[(&str, &str)]| {
        let request = world.request(Method::POST, path);
        shown.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    for (shown, status, code) in [
        (vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], 403, "ORIGIN_NOT_ALLOWED"),
        (vec![("origin", "null")], 403, "ORIGIN_NOT_ALLOWED"),
        (vec![("sec-fetch-site", "cross-site")], 403, "ORIGIN_NOT_ALLOWED"),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415, "UNSUPPORTED_MEDIA_TYPE"),
        (vec![("host", "evil.example"), ("origin", "http://evil.example")], 403, "HOST_NOT_ALLOWED"),
    ] {
        world.send(post(REBUILD_ALL, &shown)).await.refused_naming(status, code, &[]);
        if code != "UNSUPPORTED_MEDIA_TYPE" {
            let answer = world.send(post("transactions/payment", &shown).json(&payment(&ada, &bob, "1"))).await;
            answer.refused_naming(status, code, &[]);
        }
    }
    world.balances(&[(&ada, "10"), (&bob, "0")]).await;
    let port = world.served.http.port();
    let (here, name) = (format!("http://127.0.0.1:{port}"), format!("localhost:{port}"));
    for shown in [vec![], vec![("origin", here.as_str())], vec![("host", name.as_str())], vec![("host", "florin:3000")]]
    {
        assert_eq!(world.send(post(REBUILD_ALL, &shown)).await.status, 200, "{shown:?}");
    }
    let link = world.request(Method::GET, "currencies").header("sec-fetch-site", "cross-site");
    assert_eq!(world.send(link).await.status, 200, "a link from elsewhere may lead here");
    world.end().await;
}
