//! The window in Redis: one hash per client (bucket number to count), and one script that does everything in one call.

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Script, TlsCertificates};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

use super::lease::Order;
use super::window::{BUCKETS, Shape};

/// `KEYS`: the client's hash. `ARGV`: limit, width of a bucket in microseconds, buckets in a window, permits wanted,
/// then the bucket and the number of permits given back, then pairs of age in microseconds and count for what was
/// decided elsewhere. Returns: permits granted, space beyond them, the bucket, microseconds until it ends, microseconds
/// until there is space.
///
/// The time is the server's, so the nodes' clocks do not matter. A bucket ahead of it (the server's clock was set back)
/// is moved to the current one: it counts for one more window, not for as long as the clock was wrong.
pub const SCRIPT: &str = r"
local key = KEYS[1]
local limit, width, live, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local current = math.floor(now / width)
local counts, total, stale = {}, 0, {}

local function name(bucket) return string.format('%.0f', bucket) end
local function add(bucket, n)
  counts[bucket] = (counts[bucket] or 0) + n
  total = total + n
  redis.call('HINCRBY', key, name(bucket), name(n))
end

local ahead = 0
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  local bucket, n = tonumber(fields[i]), tonumber(fields[i + 1])
  if bucket > current then ahead = ahead + n end
  if bucket > current or bucket + live < current then
    stale[#stale + 1] = fields[i]
  else
    counts[bucket] = n
    total = total + n
  end
end
if #stale > 0 then redis.call('HDEL', key, unpack(stale)) end
if ahead > 0 then add(current, ahead) end

local returned = math.min(tonumber(ARGV[6]), counts[tonumber(ARGV[5])] or 0)
if returned > 0 then add(tonumber(ARGV[5]), -returned) end
for i = 7, #ARGV, 2 do
  local bucket = math.floor((now - tonumber(ARGV[i])) / width)
  if bucket + live >= current then add(bucket, tonumber(ARGV[i + 1])) end
end

local granted = math.max(0, math.min(want, limit - total))
if granted > 0 then add(current, granted) end
if total > 0 then redis.call('PEXPIRE', key, math.ceil((live + 2) * width / 1000)) end

local room = 0
if total >= limit then
  local buckets, left = {}, total
  for bucket in pairs(counts) do buckets[#buckets + 1] = bucket end
  table.sort(buckets)
  for _, bucket in ipairs(buckets) do
    left = left - counts[bucket]
    if left < limit then
      room = (bucket + live + 1) * width - now
      break
    end
  end
end
return {granted, math.max(0, limit - total), current, (current + 1) * width - now, room}
";

/// The answer of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Permits granted, and counted.
    pub granted: u64,
    /// How many more could be granted.
    pub remaining: u64,
    /// The bucket that they count in.
    pub bucket: u64,
    /// Microseconds until the bucket ends, at the moment of the script.
    pub bucket_left_us: u64,
    /// Microseconds until one more could be granted; 0: now.
    pub room_us: u64,
}

/// The script, and the server on which it runs.
pub struct Server {
    client: Client,
    script: Script,
    key_prefix: String,
}

impl Server {
    /// Reads the URL; does not connect.
    ///
    /// # Errors
    /// What is wrong with the URL, without showing it.
    pub fn new(url: &SecretString, ca: Option<Vec<u8>>, key_prefix: String) -> Result<Self, String> {
        let client = match ca {
            None => Client::open(url.expose_secret()),
            ca => Client::build_with_tls(url.expose_secret(), TlsCertificates { client_tls: None, root_cert: ca }),
        };
        let client = client.map_err(|error| error.category().to_owned())?;
        Ok(Self { client, script: Script::new(SCRIPT), key_prefix })
    }

    /// Opens a connection, loads the script, and checks that the server answers within `call_timeout`.
    ///
    /// # Errors
    /// Why not, in words for health and the log.
    pub async fn connect(
        &self,
        connect_timeout: Duration,
        call_timeout: Duration,
    ) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(connect_timeout));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = tokio::time::timeout(connect_timeout, connecting)
            .await
            .map_err(|_| format!("no connection within {} ms", connect_timeout.as_millis()))?
            .map_err(reason)?;
        self.script.load_async(&mut connection).await.map_err(reason)?;
        let ping = async { ::redis::cmd("PING").query_async::<()>(&mut connection).await };
        tokio::time::timeout(call_timeout, ping)
            .await
            .map_err(|_| format!("no answer to a ping within {} ms", call_timeout.as_millis()))?
            .map_err(reason)?;
        Ok(connection)
    }

    /// Runs the script once (twice if the server has forgotten it).
    ///
    /// # Errors
    /// Why there is no answer; the script may have run all the same.
    pub async fn call(
        &self,
        connection: &mut MultiplexedConnection,
        client: &str,
        shape: &Shape,
        order: &Order,
    ) -> Result<Answer, String> {
        // The width is part of the key: buckets of another window setting must not be read as ours.
        let mut call = self.script.key(format!("{}:{}:{client}", self.key_prefix, shape.width_us));
        let (back_bucket, back) = order.back.unwrap_or_default();
        call.arg(shape.requests_max).arg(shape.width_us).arg(BUCKETS).arg(order.want).arg(back_bucket).arg(back);
        for (age_us, count) in &order.reports {
            call.arg(*age_us).arg(*count);
        }
        let answer: RedisResult<(u64, u64, u64, u64, u64)> = call.invoke_async(connection).await;
        let (granted, remaining, bucket, bucket_left_us, room_us) = answer.map_err(reason)?;
        Ok(Answer { granted, remaining, bucket, bucket_left_us, room_us })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn reason(error: RedisError) -> String {
    format!("redis: {error}")
}
