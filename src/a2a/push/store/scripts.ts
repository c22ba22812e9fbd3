/**
 * The scripts of the store in Redis: each is one step that nobody comes between. Times are Redis' own.
 *
 * Of a callback: `callback:ID`, a hash of `sealed`, `task`, `marks` (one after another, with blanks), `ended`, `state`, `tries`,
 * `hold`; `queue:ID`, a stream of `id` and `sealed`. Of all: `due`, ids by when the heads of their queues may be taken, and
 * `waiting`, how many notifications there are in queues.
 */

const now = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function digits(number) return string.format('%.0f', number) end
`

/** KEYS callback, queue, due, waiting. ARGV id, notification, sealed, task, mark or '', ends, most, most each, life, most marks. */
const enqueue = `${now}
if redis.call('HEXISTS', KEYS[1], 'sealed') == 0 then return 'unknown' end
local known = redis.call('HMGET', KEYS[1], 'task', 'marks', 'ended')
if known[1] and known[1] ~= ARGV[4] then return 'other-task' end
local marks = known[2] or ''
if ARGV[5] ~= '' and string.find(marks, ARGV[5], 1, true) then return 'duplicate' end
if known[3] then return 'ended' end
if tonumber(redis.call('GET', KEYS[4]) or '0') >= tonumber(ARGV[7]) then return 'full' end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[8]) then return 'full' end
redis.call('HSET', KEYS[1], 'task', ARGV[4])
if ARGV[5] ~= '' then
  local size = #ARGV[5] + 1
  redis.call('HSET', KEYS[1], 'marks', string.sub(ARGV[5] .. ' ' .. marks, 1, size * tonumber(ARGV[10])))
end
if ARGV[6] == '1' then redis.call('HSET', KEYS[1], 'ended', '1') end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('XADD', KEYS[2], '*', 'id', ARGV[2], 'sealed', ARGV[3])
redis.call('INCR', KEYS[4])
redis.call('ZADD', KEYS[3], 'NX', digits(now), ARGV[1])
return 'queued'
`

/** KEYS due. Gives ids that are due, and in how many ms the first is; -1: never. */
const due = `${now}
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', digits(now), 'LIMIT', 0, 8)
if #ids > 0 then return {ids, 0} end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then return {ids, -1} end
return {ids, math.max(1, tonumber(first[2]) - now)}
`

/** KEYS callback, queue, due, waiting. ARGV id, hold, for ms. Gives what is taken, or nothing: another has it. */
const take = `${now}
local score = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not score or tonumber(score) > now then return false end
local kept = redis.call('HMGET', KEYS[1], 'sealed', 'state', 'tries')
local head = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
if not kept[1] or #head == 0 then
  redis.call('DECRBY', KEYS[4], redis.call('XLEN', KEYS[2]))
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return false
end
redis.call('ZADD', KEYS[3], digits(now + tonumber(ARGV[3])), ARGV[1])
redis.call('HSET', KEYS[1], 'hold', ARGV[2])
return {kept[1], kept[2] or '', tonumber(kept[3] or '0'), head[1][1], head[1][2][2], head[1][2][4], digits(now)}
`

/** KEYS callback, due. ARGV id, hold, for ms. */
const hold = `${now}
if redis.call('HGET', KEYS[1], 'hold') ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[2], digits(now + tonumber(ARGV[3])), ARGV[1])
return 1
`

/** KEYS callback, due. ARGV id, hold, delay in ms, failed. */
const later = `${now}
if redis.call('HGET', KEYS[1], 'hold') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'hold')
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[1], 'tries', 1) end
redis.call('ZADD', KEYS[2], digits(now + tonumber(ARGV[3])), ARGV[1])
return 1
`

/** KEYS callback, queue, due, waiting, dead. ARGV id, hold, entry, state or '', letter or '', most letters, the oldest letter's id. */
const settle = `${now}
if redis.call('HGET', KEYS[1], 'hold') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'hold', 'tries')
if redis.call('XDEL', KEYS[2], ARGV[3]) == 1 then redis.call('DECR', KEYS[4]) end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'state', ARGV[4]) end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], '*', 'letter', ARGV[5])
  redis.call('XTRIM', KEYS[5], 'MINID', '~', digits(now - tonumber(ARGV[7])))
end
if redis.call('XLEN', KEYS[2]) > 0 then
  redis.call('ZADD', KEYS[3], digits(now), ARGV[1])
else
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
return 1
`

/** KEYS callback, queue, due, waiting. ARGV id. */
const remove = `
redis.call('DEL', KEYS[1])
redis.call('DECRBY', KEYS[4], redis.call('XLEN', KEYS[2]))
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
`

/** KEYS callback. ARGV task. Gives whether the callback is for this task now. */
const bind = `
if redis.call('HEXISTS', KEYS[1], 'sealed') == 0 then return 0 end
redis.call('HSETNX', KEYS[1], 'task', ARGV[1])
if redis.call('HGET', KEYS[1], 'task') == ARGV[1] then return 1 end
return 0
`

export const scripts = { enqueue, due, take, hold, later, settle, remove, bind }
