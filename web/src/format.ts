const wholeNumber = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 })
const oneDecimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const toTheTenth = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** `4:07` or `1:02:03`, as on a player's clock. */
export function clock(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000)
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** `about 3 minutes`: a duration to be read, not counted. */
export function roughly(durationMs: number): string {
  const seconds = durationMs / 1000
  if (seconds < 10) return 'a few seconds'
  if (seconds < 50) return `about ${Math.round(seconds / 10) * 10} seconds`
  if (seconds < 90) return 'about a minute'
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `about ${minutes} minutes`
  const hours = oneDecimal.format(seconds / 3600)
  return hours === '1' ? 'about an hour' : `about ${hours} hours`
}

/** `48.2 MB`, in the decimal units that file managers and providers use. */
export function size(bytes: number): string {
  if (bytes === 1) return '1 byte'
  if (bytes < 1000) return `${bytes} bytes`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${(value < 100 ? oneDecimal : wholeNumber).format(value)} ${units[unit]}`
}

/** `3 May 2026`, in the visitor's own way of writing it. */
export function day(time: string): string {
  return dateOnly.format(new Date(time))
}

export function dayAndTime(time: string): string {
  return dateAndTime.format(new Date(time))
}

/** `1080p`, `4K`: the name people give to a resolution. Portrait films are named by their shorter side too. */
export function resolution(width: number, height: number): string {
  const lines = Math.min(width, height)
  if (lines >= 4320) return '8K'
  if (lines >= 2160) return '4K'
  return `${lines}p`
}

/** `2.4 Mbit/s`: the rate of a stream. */
export function bitrate(bitsPerSecond: number): string {
  if (bitsPerSecond < 999_500) return `${wholeNumber.format(bitsPerSecond / 1000)} kbit/s`
  return `${oneDecimal.format(bitsPerSecond / 1_000_000)} Mbit/s`
}

/** `31 s`, `4 min 7 s`, `2 h 5 min`: a duration that is counted, but whose seconds don't matter after an hour. */
export function counted(durationSeconds: number): string {
  const seconds = Math.round(durationSeconds)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
}

/** `1.2 s`: how far a picture is behind. */
export function delay(delaySeconds: number): string {
  return `${toTheTenth.format(delaySeconds)} s`
}
