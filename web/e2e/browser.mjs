import chromium from '@sparticuz/chromium'
import { chromium as driver } from 'playwright-core'

/** Starts the Chromium that npm brings: no browser has to be installed on the machine. */
export async function startBrowser() {
  return driver.launch({
    executablePath: await chromium.executablePath(),
    headless: true,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
