/** Alerts in words and on a line of time. */
import { duration } from '../format/time.ts';
import { count } from '../format/number.ts';
import type { Tone } from '../live/health.ts';
import type { components } from '../live/api.ts';

type Schemas = components['schemas'];
export type Alert = Schemas['Alerts']['alerts'][number];
export type Incident = Schemas['Alerts']['incidents'][number];
export type Test = Schemas['AlertTest'];

export const STATE: Record<Alert['state'], { label: string; tone: Tone }> = {
	ok: { label: 'quiet', tone: 'good' },
	pending: { label: 'pending', tone: 'warn' },
	firing: { label: 'firing', tone: 'bad' },
	error: { label: 'its query fails', tone: 'bad' }
};

export const nameOf = ({ domain, name }: Pick<Alert, 'domain' | 'name'>): string => `${domain}/${name}`;

/** «asked every 5 s, fires after 10 s, over after 20 s». */
export function schedule({ every_s, for_s, keep_s }: Alert): string {
	const fires = for_s ? `fires after ${span(for_s)}` : 'fires at once';
	return `asked every ${span(every_s)}, ${fires}, over ${keep_s ? `when gone for ${span(keep_s)}` : 'when gone'}`;
}

/** What the page says at its head. */
export function sentence(alerts: readonly Alert[], incidents: readonly Incident[]): string {
	const firing = alerts.reduce((all, alert) => all + alert.firing, 0);
	const broken = alerts.filter((alert) => alert.state === 'error').length;
	const past = incidents.filter((incident) => incident.state === 'resolved').length;
	const now = firing ? `${count(firing, 'incident')} firing now` : 'nothing fires now';
	return `${count(alerts.length, 'alert')}, ${now}${past ? `, ${past} resolved before` : ''}${broken ? `; ${count(broken, 'query fails', 'queries fail')}` : ''}`;
}

/** What an incident is about: names of the key's columns with their values. */
export function about(incident: Incident, alert: Alert | undefined): [string, unknown][] {
	const values: unknown = parsed(incident.key);
	const names = alert?.key.length ? alert.key : Object.keys(incident.row);
	return (Array.isArray(values) ? values : [values]).map((value, index) => [names[index] ?? 'key', value]);
}

/** The home's own page, where the incident is about one of the city. */
export function homeHref(incident: Incident, alert: Alert | undefined): string | null {
	const home = about(incident, alert).find(([name]) => name === 'home_id')?.[1];
	return incident.domain === 'homes' && Number.isInteger(home) ? `/city?home=${String(home)}` : null;
}

export interface Bar {
	id: number;
	/** Share of the span, 0 to 1. */
	from: number;
	fired: number;
	to: number;
	firing: boolean;
	incident: Incident;
}

/** The incidents of an alert within a span that ends now; from their first row, from when they fired, to their end. */
export function bars(incidents: readonly Incident[], alert: Alert, now: number, spanMs: number): Bar[] {
	const at = (ms: number) => Math.min(1, Math.max(0, 1 - (now - ms) / spanMs));
	return incidents
		.filter((one) => one.domain === alert.domain && one.alert === alert.name && (one.resolved_ms ?? now) > now - spanMs)
		.map((one) => ({
			id: one.id,
			from: at(one.since_ms),
			fired: at(one.fired_ms ?? one.since_ms),
			to: at(one.resolved_ms ?? now),
			firing: one.state === 'firing',
			incident: one
		}));
}

export const SPANS: Readonly<Record<string, number>> = { '1h': 3_600_000, '6h': 6 * 3_600_000, '1d': 86_400_000, '7d': 7 * 86_400_000 };

/** Who is told, in words: a webhook that nobody has set is said to be so. */
export function channels(alert: Alert): string {
	const named = alert.notify.map((channel) => (channel === 'webhook' && !alert.webhook ? 'webhook (none is set)' : channel));
	return ['this page', ...named].join(', ');
}

/** How telling went: «log sent, webhook failed». */
export function told({ told: deliveries }: Incident): string {
	return deliveries.map(({ channel, event, state }) => `${event} → ${channel}: ${state}`).join(' · ');
}

export function lasted({ since_ms, fired_ms, resolved_ms }: Incident, now: number): string {
	return duration(Math.max(0, (resolved_ms ?? now) - (fired_ms ?? since_ms)));
}

function span(seconds: number): string {
	return seconds < 60 ? `${seconds} s` : duration(seconds * 1000);
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}
