/** What a panel's data says, in one sentence: the caption, and what a screen reader reads. */
import { lastIndex, toneOf, type ChartSpec } from '../chart/spec.ts';
import { decimal, percent } from '../format/number.ts';
import type { Panel } from './types.ts';

const STATES = { '': 'as it should be', warn: 'needs a look', bad: 'too high' } as const;

export function sentenceOf(panel: Panel, spec: ChartSpec, left = 0): string {
	const said = about(spec);
	const rest = left ? ` ${left} more are not drawn.` : '';
	const words = said || 'Nothing in this span.';
	return `${words[0]?.toUpperCase()}${words.slice(1)}${panel.description ? ` · ${panel.description.replace(/\.$/, '')}` : ''}${rest}`;
}

function about(spec: ChartSpec): string {
	switch (spec.kind) {
		case 'pie':
			return shares(spec);
		case 'columns':
			return highest(spec);
		case 'gauge':
			return state(spec);
		case 'heatmap':
			return strongest(spec);
		default:
			return spec.series.length === 1 ? single(spec) : several(spec);
	}
}

function write(spec: ChartSpec, value: number | null | undefined): string {
	return decimal(value, spec.digits, spec.unit);
}

/** The place and the size of the largest value. */
function most(values: readonly (number | null)[]): readonly [number, number] | null {
	let found: readonly [number, number] | null = null;
	for (const [place, value] of values.entries()) {
		if (value !== null && (found === null || value > found[1])) found = [place, value];
	}
	return found;
}

function single(spec: ChartSpec): string {
	const values = spec.series[0]?.values ?? [];
	const top = most(values);
	if (!top) return '';
	return `now ${write(spec, values[lastIndex(spec)])}, highest ${write(spec, top[1])} at ${spec.formatX(spec.x[top[0]] ?? 0)}`;
}

function several(spec: ChartSpec): string {
	const last = lastIndex(spec);
	if (last < 0) return '';
	const now = spec.series.map((series) => series.values[last] ?? null);
	const top = most(now);
	if (!top) return '';
	const name = spec.series[top[0]]?.name ?? '';
	const sum = now.reduce<number>((all, value) => all + (value ?? 0), 0);
	return spec.stacked ? `now ${write(spec, sum)}, most of it ${name} with ${write(spec, top[1])}` : `now highest in ${name} with ${write(spec, top[1])}, ${spec.series.length} lines`;
}

function shares(spec: ChartSpec): string {
	const values = spec.series[0]?.values ?? [];
	const top = most(values);
	const sum = values.reduce<number>((all, value) => all + (value ?? 0), 0);
	if (!top || sum <= 0) return '';
	return `${spec.formatX(top[0])} has ${percent(top[1] / sum)} of ${write(spec, sum)}`;
}

function highest(spec: ChartSpec): string {
	const top = most(spec.series[0]?.values ?? []);
	return top ? `highest ${spec.formatX(top[0])} with ${write(spec, top[1])}` : '';
}

function state(spec: ChartSpec): string {
	const value = spec.series[0]?.values.at(-1) ?? null;
	if (value === null) return '';
	const tone = toneOf(value, spec.warn, spec.bad);
	return `${write(spec, value)}${spec.warn != null || spec.bad != null ? `, ${STATES[tone]}` : ''}`;
}

function strongest(spec: ChartSpec): string {
	let best: { name: string; at: number; value: number } | null = null;
	for (const series of spec.series) {
		const top = most(series.values);
		if (top && (best === null || top[1] > best.value)) best = { name: series.name, at: top[0], value: top[1] };
	}
	return best ? `highest in ${best.name} with ${write(spec, best.value)} at ${spec.formatX(spec.x[best.at] ?? 0)}` : '';
}
