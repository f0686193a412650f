/** From a spec to uPlot's options and data. Colours are read at each draw, so a theme needs no rebuild. */
import uPlot from 'uplot';
import { decimal } from '../format/number.ts';
import { colourToken, dash, token } from './palette.ts';
import { type ChartSpec } from './spec.ts';

const FONT = "11px 'Inter Variable', system-ui, sans-serif";
const FEW_POINTS = 3;
const MOST_DIGITS = 4;
/** Steps between named places: there is nothing between two of them. */
const PLACES = [1, 2, 5, 10, 20, 50];

export function dataOf({ x, series }: ChartSpec): uPlot.AlignedData {
	return [x as number[], ...series.map((one) => one.values as (number | null)[])];
}

/** A change of this key needs a new plot; anything else is only new data. */
export function shapeOf({ series, kind, axis = 'time' }: ChartSpec): string {
	return `${kind} ${axis} ${series.map((one) => one.name).join('|')}`;
}

function rangeX(spec: ChartSpec): [number, number] {
	if (spec.span) return [spec.span[0], spec.span[1]];
	const [first, last] = [spec.x[0] ?? 0, spec.x.at(-1) ?? 1];
	// Half a bar's room on either side, and some air around a single point.
	const step = spec.x.length > 1 ? (last - first) / (spec.x.length - 1) : 1;
	const air = spec.kind === 'bars' || first === last ? step * 0.6 : 0;
	return [first - air, last + air];
}

/** A tenth of air above and below; a flat line lies in the middle. */
function rangeY(spec: ChartSpec, low: number | null, high: number | null): [number, number] {
	const [min, max] = [low ?? 0, high ?? 1];
	const air = (max - min) * 0.12 || Math.abs(max) * 0.05 || 1;
	const fromZero = spec.fromZero || (min >= 0 && min < max * 0.3);
	return [fromZero ? 0 : min - air, max + air];
}

function seriesOf(spec: ChartSpec, index: number): uPlot.Series {
	const colour = () => token(colourToken(index));
	const bars = spec.kind === 'bars';
	return {
		stroke: colour,
		width: bars ? 0 : 1.6,
		dash: bars ? [] : dash(index),
		fill: bars ? colour : undefined,
		paths: bars ? uPlot.paths.bars?.({ size: [0.7, spec.axis === 'place' ? 60 : 12] }) : undefined,
		points: { show: (plot) => !bars && plot.data[0].length <= FEW_POINTS, size: 5, fill: colour }
	};
}

/** `spec` is asked for again at each draw, because span and formats move with the data. */
export function optionsOf(
	spec: () => ChartSpec,
	size: { width: number; height: number },
	onCursor: (index: number | null) => void
): uPlot.Options {
	const { axis: across = 'time', utc } = spec();
	const axis = { stroke: () => token('--muted'), font: FONT, ticks: { show: false } };
	return {
		...size,
		ms: 1,
		...(utc ? { tzDate: (ms: number) => uPlot.tzDate(new Date(ms), 'UTC') } : {}),
		padding: [8, 8, 0, 0],
		legend: { show: false },
		cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 6 } },
		scales: {
			x: { time: across === 'time', range: () => rangeX(spec()) },
			y: { range: (_, low, high) => rangeY(spec(), low, high) }
		},
		axes: [
			{ ...axis, ...(across === 'place' ? { incrs: PLACES } : {}), grid: { show: false }, size: 26, space: 64, values: (_, ticks) => ticks.map(spec().formatTick) },
			{
				...axis,
				grid: { stroke: () => token('--line'), width: 1 },
				size: 46,
				space: size.height < 150 ? 22 : 34,
				values: (_, ticks) => ticks.map((tick) => decimal(tick, tickDigits(ticks)))
			}
		],
		series: [{}, ...spec().series.map((_, index) => seriesOf(spec(), index))],
		hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] }
	};
}

/** As many decimals as the distance between two ticks needs. */
function tickDigits(ticks: readonly number[]): number {
	const step = Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0));
	for (let digits = 0; digits < MOST_DIGITS; digits += 1) {
		const scaled = step * 10 ** digits;
		if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return digits;
	}
	return MOST_DIGITS;
}
