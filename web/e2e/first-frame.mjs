/**
 * How long it takes from an upload's end to the first frame, in a real browser against a running stack. Prints one line of JSON.
 *
 *   node e2e/first-frame.mjs FILM…
 *
 * Environment: BASE_URL, PUBLISHER_EMAIL, PUBLISHER_PASSWORD. The end is the answer to `complete`; all times are ms after it. Films
 * must be new to the stack.
 */
import { statSync } from 'node:fs'
import path from 'node:path'
import { startBrowser } from './browser.mjs'

const { BASE_URL, PUBLISHER_EMAIL, PUBLISHER_PASSWORD } = process.env
const browser = await startBrowser()
const page = await browser.newPage()
await page.goto(`${BASE_URL}/sign-in?redirect=%2Fupload`)
await page.getByLabel('E-mail').fill(PUBLISHER_EMAIL)
await page.getByLabel('Password', { exact: true }).fill(PUBLISHER_PASSWORD)
await page.getByRole('button', { name: 'Sign in' }).click()
await page.getByLabel('Choose films to upload').waitFor()

for (const film of process.argv.slice(2)) {
  await page.goto(`${BASE_URL}/upload`)
  await page.getByLabel('Choose films to upload').setInputFiles(film)
  const options = { timeout: 600_000 }
  const completed = page.waitForResponse((answer) => answer.url().endsWith('/complete') && answer.ok(), options)
  const ready = page.waitForResponse(async (answer) => {
    if (!/\/api\/uploads\/[^/]+$/.test(answer.url()) || answer.request().method() !== 'GET' || !answer.ok()) return false
    return (await answer.json().catch(() => ({}))).state === 'ready'
  }, options)
  await page.getByRole('button', { name: 'Start the upload' }).click()
  await completed
  const end = performance.now()
  const { video_id: videoId } = await (await ready).json()
  const readyMs = performance.now() - end
  const computed = []
  page.on('response', (answer) => {
    // What the bucket serves has an ETag; what is computed has none.
    if (answer.url().includes('/media/') && answer.status() === 206 && !answer.headers().etag) computed.push(answer.url())
  })
  await page.locator(`a[href="/watch/${videoId}"]`).first().click()
  await page.waitForSelector('video')
  await page.evaluate(async () => {
    const video = document.querySelector('video')
    video.muted = true
    await new Promise((resolve) => {
      video.requestVideoFrameCallback(resolve)
      void video.play().catch(() => {})
    })
  })
  const firstFrameMs = performance.now() - end
  const round = Math.round
  console.log(JSON.stringify({
    film: path.basename(film),
    bytes: statSync(film).size,
    readyMs: round(readyMs),
    firstFrameMs: round(firstFrameMs),
    computedRanges: computed.length,
  }))
}
await browser.close()
