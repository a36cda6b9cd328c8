/** What a report is made of. A new kind of section gives a title, text, figures and a table; pages and exports know no more. */

/** A plot, drawn once; `numbers` are what it shows. */
export interface Figure {
  /** Unique in the report: the name of its files. */
  readonly name: string;
  readonly title: string;
  /** One line: the unit, and what is not shown. */
  readonly caption: string;
  /** Colours are `var(--name)` of the palette, and currentColor. */
  readonly svg: string;
  /** Of the drawing, where it is not the usual one. */
  readonly height?: number;
  readonly legend: readonly LegendEntry[];
  /** A page shows the legend once, for the whole section; files have one each. */
  readonly sharesLegend: boolean;
  readonly numbers: Numbers;
}

export interface LegendEntry {
  readonly label: string;
  readonly colour: string;
  readonly dash?: string | undefined;
  readonly shape: 'line' | 'points' | 'area' | 'cross' | 'triangle';
}

/** As a CSV file has them. */
export interface Numbers {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
}

export interface Table {
  readonly columns: readonly { readonly title: string; readonly numeric?: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

export interface Section {
  /** Unique in the report: its anchor. */
  readonly id: string;
  readonly title: string;
  readonly text: readonly string[];
  /** What a reader must not miss. */
  readonly notes?: readonly string[];
  readonly figures: readonly Figure[];
  readonly table?: Table;
  /** Short ones, side by side. */
  readonly facts?: readonly Fact[];
  /** Of the figures that share it. */
  readonly legend?: readonly LegendEntry[];
}

export interface Report {
  readonly title: string;
  readonly subtitle: string;
  /** What a reader sees first: a few numbers of every run. */
  readonly cards: readonly Card[];
  readonly sections: readonly Section[];
  readonly footer: readonly string[];
  readonly generator: string;
}

export interface Card {
  readonly title: string;
  readonly colour: string | undefined;
  readonly facts: readonly Fact[];
}
