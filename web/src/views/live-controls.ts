import { html, nothing, type TemplateResult } from 'lit-html'
import { live as asProperty } from 'lit-html/directives/live.js'
import { delay } from '../format'
import type { LiveState } from '../player/live-player'
import { expand, pause, play, shrink, speaker, speakerOff } from './icons'

export interface LiveControls {
  state: LiveState
  muted: boolean
  /** 0 to 1. */
  volume: number
  /** Undefined where the browser has none. */
  fullscreen: boolean | undefined
  onPlayOrPause(): void
  onMute(): void
  onVolume(volume: number): void
  onFullscreen(): void
}

/** The bar below the picture. Each button has its key in its title. */
export function liveControls({ state, muted, volume, fullscreen, ...on }: LiveControls): TemplateResult {
  const halted = state.is === 'paused' || state.is === 'stopped'
  return html`<div class="live-controls">
    ${button(halted ? 'Play' : 'Pause', 'k', halted ? play : pause, on.onPlayOrPause)}
    ${liveBadge(state)}
    <span class="header-space"></span>
    ${button(muted ? 'Unmute' : 'Mute', 'm', muted ? speakerOff : speaker, on.onMute)}
    <input
      class="volume"
      type="range"
      min="0"
      max="1"
      step="0.05"
      aria-label="Volume"
      .value=${asProperty(String(muted ? 0 : volume))}
      @input=${(event: Event) => on.onVolume(Number((event.target as HTMLInputElement).value))}
    />
    ${fullscreen === undefined
      ? nothing
      : button(fullscreen ? 'Leave full screen' : 'Full screen', 'f', fullscreen ? shrink : expand, on.onFullscreen)}
  </div>`
}

function button(name: string, key: string, icon: TemplateResult, onPress: () => void): TemplateResult {
  return html`<button
    class="icon-button"
    type="button"
    aria-label=${name}
    aria-keyshortcuts=${key}
    title="${name} (${key})"
    @click=${onPress}
  >
    ${icon}
  </button>`
}

/** That it is live, and how far behind the newest picture. */
function liveBadge(state: LiveState): TemplateResult {
  const running = state.is === 'playing'
  return html`<span class="live-badge ${running ? 'is-live' : ''}">Live</span>
    ${running ? html`<span class="live-delay">${delay(state.delaySeconds)} behind</span>` : nothing}`
}
