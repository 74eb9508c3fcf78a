"""What cannot be read is refused by file, column and data rows, and no cell is ever quoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from small_tables import table

from sequela.errors import RecordsError
from sequela.records import SeriesSettings, read_records

# A refusal: file, keys of the table, what the message must say. Cells hold SECRET or 4711 where they could leak.
CASES: dict[str, tuple[str | bytes, dict[str, Any], list[str]]] = {
    "missing subject column": ("idd,day,sbp\n4711,0,1\n", {}, ["no column 'id'", "Did you mean 'idd'?"]),
    "a guess is one of several names": (
        "id,platelets\n4711,1\n",
        {"subject": "patient"},
        ["no column 'patient'", "Did you mean 'platelets'?", "'id', 'platelets'"],
    ),
    "missing time column": ("id,Day,sbp\n4711,0,1\n", {}, ["no column 'day'", "Did you mean 'Day'?"]),
    "a column that counts the rows": (
        "id,day,sbp,rownames\n" + "".join(f"7,{row},4711,{row + 1}\n" for row in range(20)),
        {},
        ["column 'rownames'", "number of its row", "`columns`"],
    ),
    "another name in capitals": ("ID,day,sbp\n4711,0,1\n", {}, ["no column 'id'", "Did you mean 'ID'?"]),
    "a title above the names": ("SECRET,,\nid,day,sbp\n4711,0,1\n", {}, ["without a name", "first line"]),
    "a title alone above the names": ("SECRET\nid,day,sbp\n4711,0,1\n", {}, ["only one column", "first line"]),
    "what a spreadsheet writes above the names": (
        "sep=;\nid;day;sbp\n4711;0;1\n",
        {"delimiter": ";"},
        ["rows 1, 2:", "2 fields", "first line"],
    ),
    "missing available column": ("id,day,sbp\n4711,0,1\n", {"available": "dai"}, ["no column 'dai'", "'day'"]),
    "unknown name in columns": ("id,day,sbp\n4711,0,1\n", {"columns": ["spb"]}, ["'spb'", "`columns`", "'sbp'"]),
    "unknown name in categorical": ("id,day,sbp\n4711,0,1\n", {"categorical": ["x"]}, ["'x'", "`categorical`"]),
    "unknown name in rename": ("id,day,sbp\n4711,0,1\n", {"rename": {"bp": "b"}}, ["'bp'", "`rename`", "'sbp'"]),
    "subject among columns": ("id,day,sbp\n4711,0,1\n", {"columns": ["id"]}, ["column 'id'", "more than once"]),
    "two columns of one code": ("id,day,a,b\n4711,0,1,2\n", {"rename": {"a": "b"}}, ["two columns", "'b'"]),
    "one column for two uses": ("id,day,sbp\n4711,0,1\n", {"available": "day"}, ["`time`", "`available`", "two uses"]),
    "births in a table of visits": ("id,day,MEDS_BIRTH\n4711,0,1\n", {}, ["'MEDS_BIRTH'", "'static'"]),
    "a header without end": ("SECRET" * 40000 + "\n4711\n", {}, ["first line"]),
    "no value columns": ("id,day\n4711,0\n", {}, ["no column with values"]),
    "unnamed column": (",id,day\n4711,1,0\n", {}, ["has no name"]),
    "unnamed column that pandas wrote again": ("Unnamed: 0,id,day\n4711,1,0\n", {}, ["has no name", "`columns`"]),
    "no header": ("4711,0,120\n4712,1,130\n", {}, ["no column 'id'", "first line"]),
    "twice in the header": ("id,day,a,a\n4711,0,1,2\n", {}, ["column 'a'", "more than once"]),
    "no header, and a number twice": ("4711,0,4711\n4712,1,130\n", {}, ["more than once", "first line"]),
    "empty file": ("", {}, ["the file is empty"]),
    "blank file": ("\n\n", {}, ["the file is empty"]),
    "header only": ("id,day,sbp\n", {}, ["no data rows"]),
    "wrong delimiter": ("id;day;sbp\n4711;0;1\n", {}, ["only one column", 'delimiter = ";"']),
    "too few fields": ("id,day,sbp\n1,0,1\n4711,0\n", {}, ["row 2:", "3 fields"]),
    "too many fields": ("id,day,sbp\n1,0,1\n2,0,1\n4711,0,1,5\n", {}, ["row 3:", "3 fields"]),
    "open quotation mark": ('id,day,sbp\n1,0,1\n"4711,0,1\n', {}, ["row 2:", "never closes"]),
    "stray quotation marks": ('id,day,sbp\n1,0,"4711"x\n', {}, ["row 1:", "quotation marks"]),
    "a space before quotation marks": (
        'id,day,sbp\n"1","0","1"\n1,1, "4711"\n',
        {},
        ["row 2:", "quotation marks", "without spaces"],
    ),
    "quotation marks around a delimiter inside of a field": (
        'id,day,note\n1,0,"a\nb"\n\n1,1,SECRET"x,y",4711\n',
        {},
        ["row 2:", "quotation marks"],
    ),
    "inches": ("id,day,height\n1,0,5'11\"\n1,1,6'1\"\n1,2,5'1\"\n", {}, ["row 1:", "quotation marks"]),
    "quotation marks inside of a name": ('id,day,s"bp"\n4711,0,1\n', {}, ["quotation marks"]),
    "undecodable": (b"id,day,sbp\n4711,0,\xff\n", {}, ["byte 19", "line 2", "encoding"]),
    "unknown codec": ("id,day,sbp\n4711,0,1\n", {"encoding": "klingon"}, ["no encoding 'klingon'"]),
    "codec that is no text": ("id,day,sbp\n4711,0,1\n", {"encoding": "rot13"}, ["no encoding 'rot13'"]),
    "Parquet read as CSV": (b"PAR1xxxx", {}, ['source = "parquet"']),
    "spreadsheet": (b"PK\x03\x04xx", {}, ["Export the table as CSV"]),
    "empty rows at the end": ("id,day,sbp\n4711,0,1\n,,\n,,NA\n", {}, ["rows 2, 3:", "id is missing", "delete them"]),
    "the mark of UTF-8 under another encoding": (
        b"\xef\xbb\xbfid,day,sbp\n4711,0,1\n",
        {"encoding": "latin-1"},
        ["mark of UTF-8", 'encoding = "utf-8"'],
    ),
    "UTF-8 under another encoding": (
        "id,day,sex\n4711,0,m\u00e4nnlich\n".encode(),
        {"encoding": "latin-1"},
        ["UTF-8", 'encoding = "utf-8"'],
    ),
    "the names of columns again among the rows": (
        "id,day,sbp\n4711,0,1\nid,day, sbp\n4712,0,1\n",
        {},
        ["row 2:", "stand here again", "Delete"],
    ),
    "ids that a spreadsheet rounded": (
        "id,day,sbp\n4711,0,1\n4.71E+11,0,1\n",
        {},
        ["column 'id'", "row 2:", "several people may be one"],
    ),
    "the mark of UTF-8 where files were joined": (
        "id,day,sbp\n4711,0,1\n\ufeff4712,0,1\n",
        {},
        ["column 'id'", "row 2:", "cannot be seen"],
    ),
    "missing id": ("id,day,sbp\n1,0,1\n,0,4711\nNA,0,1\n", {}, ["column 'id'", "rows 2, 3:", "id is missing"]),
    "missing time": ("id,day,sbp\n1,0,1\n4711,,1\n", {}, ["column 'day'", "row 2:", "time is missing", "delete"]),
    "no time unit": ("id,at,sbp\n4711,0,1\n", {"time": "at"}, ["column 'at'", 'time_unit = "days"']),
    "unit of dates": ("id,day,sbp\n4711,2020-01-05,1\n", {}, ["column 'day'", "Remove `time_unit`"]),
    "decimal comma in a time": ("id;day;sbp\n1;0;1\n1;4,711;1\n", {"delimiter": ";"}, ["row 2:", "`decimal`"]),
    "thousands in a time": (
        "id,day,sbp\n1,0,1\n1,350,1\n1,1.471,1\n1,1.472,1\n1,1.473,1\n",
        {},
        ["column 'day'", "rows 3, 4, 5:", "thousands"],
    ),
    "dates written together": (
        "id,at,sbp\n1,20190131,1\n1,20190201,1\n1,20190202,1\n",
        {"time": "at", "time_unit": "seconds"},
        ["column 'at'", "without `time_unit`"],
    ),
    "dates written together as values": (
        "id,dx\n1,20190131\n2,20190201\n4711,\n3,20190202\n",
        {"layout": "static"},
        ["column 'dx'", "rows 1, 2, 4:", "here stand dates"],
    ),
    "instants written together": (
        "id,at,sbp\n1,201901312359,1\n1,201902010000,1\n1,201902020101,1\n",
        {"time": "at"},
        ["column 'at'", "2024-05-31"],
    ),
    "a date that a spreadsheet kept as a number": (
        "id,at,sbp\n1,2019-01-31,1\n1,43497,1\n1,2019-02-02,1\n",
        {"time": "at"},
        ["column 'at'", "row 2:", "in one way"],
    ),
    "a date among numbers": ("id,day,sbp\n1,1,1\n1,2,1\n1,2019-02-02,1\n", {}, ["'day'", "row 3:", "in one way"]),
    "text as numeric time": ("id,day,sbp\n1,0,1\n1,SECRET,1\n", {}, ["column 'day'", "row 2:", "numbers of days"]),
    "text as date": ("id,at,sbp\n1,SECRET,1\n1,2020-01-05,1\n", {"time": "at"}, ["column 'at'", "row 1:", "8601"]),
    "no such day": ("id,at,sbp\n4711,2021-02-29,1\n", {"time": "at"}, ["column 'at'", "row 1:"]),
    "no such hour": ("id,at,sbp\n4711,2021-02-28T25:00,1\n", {"time": "at"}, ["column 'at'", "row 1:"]),
    "the end of a day": ("id,at,sbp\n1,2021-02-28 24:00:00,1\n", {"time": "at"}, ["'at'", "row 1:", "of the next day"]),
    "year too early": ("id,at,sbp\n4711,0900-02-28,1\n", {"time": "at"}, ["column 'at'", "row 1:", "1678"]),
    "time overflows": ("id,day,sbp\n4711,1e300,1\n", {}, ["column 'day'", "row 1:", "too large"]),
    "infinite time": ("id,day,sbp\n4711,inf,1\n", {}, ["column 'day'", "row 1:"]),
    "time not a number": ("id,day,sbp\n4711,nan,1\n", {}, ["column 'day'", "row 1:"]),
    "availability is no time": (
        "id,day,seen,sbp\n1,0,1,1\n1,2,SECRET,1\n",
        {"available": "seen"},
        ["column 'seen'", "row 2:"],
    ),
    "text among numbers": (
        "id,day,sbp\n" + "1,0,1\n" * 7 + "1,2,SECRET\n" * 7,
        {},
        ["column 'sbp'", "rows 8, 9, 10, 11, 12 and 2 more:", "`categorical`"],
    ),
    "thousands": ('id,day,sbp\n1,0,1\n1,2,"4,711"\n', {}, ["column 'sbp'", "row 2:", "text"]),
    "thousands, decimal comma": (
        "id;day;sbp\n1;0;1\n1;2;4.711\n",
        {"delimiter": ";", "decimal": ","},
        ["column 'sbp'", "row 2:"],
    ),
    "decimal comma": (
        'id,day,sbp\n1,0,"SECRET"\n1,1,"4,711"\n1,2,"4,711"\n',
        {},
        ["column 'sbp'", "rows 1, 2, 3:", "`decimal`", "`categorical`"],
    ),
    "decimal comma in a series": (
        'id,r1,r2\n1,"4,711",\n2,"4,711","5,5"\n',
        {"layout": "series", "series": SeriesSettings(code="sbp")},
        ["column 'r1'", "rows 1, 2:", "`decimal`"],
    ),
    "decimal comma in a long table": (
        'subject_id,time,code,numeric_value\n1,0,sbp,"4,711"\n1,1,sbp,SECRET\n1,1,sex,f\n',
        {"layout": "long", "subject": "subject_id", "time": "time", "time_unit": "days"},
        ["column 'numeric_value'", "rows 1, 2:", "`decimal`"],
    ),
    "decimal points alone, of one code": (
        "id;day;code;numeric_value\n1;0;a;4.711\n1;2;b;5,0\n1;2;c;low\n",
        {"layout": "long", "delimiter": ";", "decimal": ","},
        ["column 'numeric_value'", "row 1:", "`decimal`"],
    ),
    "thousands and a decimal sign": (
        'id,day,sbp\n1,0,"4,711.5"\n1,1,"-1,234,567"\n1,2,SECRET\n',
        {},
        ["column 'sbp'", "rows 1, 2, 3:", "`categorical`"],
    ),
    "thousands and a decimal comma": (
        "id;day;sbp\n1;0;4.711,5\n1;1;4 711\n1;2;4\u202f711\n1;3;4'711,25\n1;4;5,5\n",
        {"delimiter": ";", "decimal": ","},
        ["column 'sbp'", "rows 1, 2, 3, 4:"],
    ),
    "thousands parted by the decimal sign": (
        "id,day,alp\n1,0,350\n1,1,1.718\n1,2,4.711\n1,3,12.009\n1,4,\n",
        {},
        ["column 'alp'", "rows 2, 3, 4:", "thousands", "350.0"],
    ),
    "thousands parted by the decimal sign, of one code": (
        "id;day;code;numeric_value\n1;0;alp;350\n1;1;alp;1,718\n1;2;alp;4,711\n1;3;ph;7,35\n1;3;sex;f\n1;4;alp;2,000\n",
        {"layout": "long", "delimiter": ";", "decimal": ","},
        ["column 'numeric_value'", "rows 2, 3, 6:", "thousands"],
    ),
    "thousands parted by the decimal sign, in a series": (
        "id,r1,r2\n1,350,1.718\n2,200,4.711\n3,,12.009\n",
        {"layout": "series", "series": SeriesSettings(code="alp")},
        ["column 'r2'", "rows 1, 2, 3:", "thousands"],
    ),
    "thousands in a long table": (
        'id,day,code,numeric_value\n1,0,sbp,"4,711.5"\n1,1,sbp,"1,234.5"\n1,1,sex,f\n',
        {"layout": "long"},
        ["column 'numeric_value'", "rows 1, 2:"],
    ),
    "limits of detection": (
        "id,day,crp\n1,0,< 4711\n1,1,<4711\n1,2,7\n1,3,≤4711 mg/L\n",
        {},
        ["column 'crp'", "rows 1, 2, 4:", "limits", "half of it", "`na`", "`categorical`"],
    ),
    "limits of detection, few of them": (
        "id,day,crp\n1,0,<4711\n1,1,6\n1,2,7\n1,3,8\n",
        {},
        ["column 'crp'", "row 1:", "limits", "half of it", "`na`", "`categorical`"],
    ),
    "limits of detection and other text": (
        "id,day,crp\n1,0,<4711\n1,1,SECRET\n1,2,7\n",
        {},
        ["column 'crp'", "rows 1, 2:", "text", "`na`", "`categorical`"],
    ),
    "limits with a decimal comma": (
        "id;day;tnt\n1;0;<0,4711\n1;1;>=90,5ng/L\n",
        {"delimiter": ";", "decimal": ","},
        ["column 'tnt'", "rows 1, 2:", "limits"],
    ),
    "limits in a series": (
        "id,r1,r2\n1,<4711,\n2,<4711,5\n",
        {"layout": "series", "series": SeriesSettings(code="hcg")},
        ["column 'r1'", "rows 1, 2:", "limits"],
    ),
    "limits in a long table": (
        "id,day,code,numeric_value\n1,0,hcg,<4711\n1,1,hcg,>4711\n1,1,sex,f\n",
        {"layout": "long"},
        ["column 'numeric_value'", "rows 1, 2:", "limits", "list the code in `categorical`"],
    ),
    "numbers with a unit": (
        "id,day,sbp\n1,0,4711 mmHg\n1,1,4712mmHg\n1,2,5 mmHg\n1,3,6mmHg\n1,4,high\n1,5,\n",
        {},
        ["column 'sbp'", "rows 1, 2, 3, 4, 5:", "text", "`categorical`"],
    ),
    "numbers with a unit, and some without": (
        "id,day,sbp\n1,0,4711 mmHg\n1,1,7\n1,2,8\n",
        {},
        ["column 'sbp'", "row 1:", "something beside them", "`units`", "120/80", "`categorical`"],
    ),
    "numbers with a remark": (
        "id,day,ph\n1,0,7.4 (high)\n1,1,7.5 (high)\n1,2,4711.1 L\n1,3,7.3 L\n",
        {},
        ["column 'ph'", "rows 1, 2, 3, 4:", "something beside them"],
    ),
    "two numbers in a cell": ("id,day,bp\n1,0,120/80\n1,1,4711/80\n", {}, ["rows 1, 2:", "something beside them"]),
    "numbers that are about so": ("id,day,bp\n1,0,~120\n1,1,~ 4711\n1,2,~8\n", {}, ["rows 1, 2, 3:", "beside them"]),
    "numbers after a typesetter's minus": (
        "id,day,be\n1,0,\u22121\n1,1,\u22124711\n1,2,3\n1,3,?\n",
        {},
        ["rows 1, 2, 4:", "text"],
    ),
    "numbers with a unit and a decimal comma": (
        "id;day;crp\n1;0;4,711 mg/L\n1;1;5,5 mg/L\n",
        {"delimiter": ";", "decimal": ","},
        ["rows 1, 2:", "something beside them"],
    ),
    "numbers with a unit in a series": (
        "id,r1,r2\n1,4711 %,\n2,,5 %\n",
        {"layout": "series", "series": SeriesSettings(code="fio2")},
        ["column 'r1'", "row 1:", "something beside them"],
    ),
    "numbers with a unit in a long table": (
        "id,day,code,numeric_value\n1,0,fio2,4711 %\n1,1,fio2,5 %\n1,1,sex,1 f\n1,1,side,1 l\n1,2,dose,2 l\n",
        {"layout": "long"},
        ["column 'numeric_value'", "rows 1, 2:", "column `unit`", "list the code in `categorical`"],
    ),
    "dates as values": (
        "id,day,left\n1,0,2020-01-05\n1,1,2020-01-06T10:30\n1,2,\n1,3,SECRET\n",
        {},
        ["column 'left'", "rows 1, 2:", "dates", "`columns`", "`time`", "`categorical`"],
    ),
    "dates as values, not in ISO 8601": (
        "id,day,left\n1,0,5/1/2020\n1,1,06.11.2020 10:30\n1,2,SECRET\n",
        {},
        ["column 'left'", "rows 1, 2:", "dates"],
    ),
    "births that are not called so": (
        "id,birth\n4711,1950-01-05\n",
        {"layout": "static"},
        ["column 'birth'", "row 1:", '"MEDS_BIRTH"', "`rename`"],
    ),
    "more words for what is not known than numbers": (
        "id,day,sbp\n1,0,.\n1,1,NaN\n1,2,4711\n1,3,.\n1,4,\n",
        {},
        ["column 'sbp'", "rows 1, 2, 4:", "`na`"],
    ),
    "more words for what is not known than numbers, in a series": (
        "id,r1,r2\n1,.,4711\n2,.,n/a\n3,.,?\n",
        {"layout": "series", "series": SeriesSettings(code="sbp")},
        ["column 'r1'", "rows 1, 2, 3:", "`na`"],
    ),
    "ids with and without leading zeros": (
        "id,day,sbp\n007,0,1\n7,1,1\n4711,0,1\n",
        {},
        ["column 'id'", "leading zeros", "alike"],
    ),
    "nan as text": ("id,day,sbp\n4711,0,1\n4711,2,nan\n", {}, ["column 'sbp'", "row 2:"]),
    "infinite": ("id,day,sbp\n4711,0,1\n4711,2,-inf\n", {}, ["column 'sbp'", "row 2:", "finite"]),
    "overflow": ("id,day,sbp\n4711,0,1\n4711,2,1e400\n", {}, ["column 'sbp'", "row 2:", "finite"]),
    "beyond single precision": ("id,day,sbp\n4711,0,1\n4711,2,3.5e38\n", {}, ["column 'sbp'", "row 2:", "precision"]),
    "one id twice in a static table": (
        "id,sex\n1,f\n4711,f\n4711,m\n",
        {"layout": "static"},
        ["column 'id'", "rows 2, 3:", "`time`"],
    ),
    "one id twice in a series": (
        "id,r1,r2\n1,5,6\n4711,1,2\n4711,1,3\n",
        {"layout": "series", "series": SeriesSettings(code="sbp")},
        ["column 'id'", "rows 2, 3:"],
    ),
    "a series beyond all time": (
        "id," + ",".join(f"r{year}" for year in range(300)) + "\n4711" + ",1" * 300 + "\n",
        {"layout": "series", "series": SeriesSettings(code="sbp", every="30y")},
        ["300 columns", "`series.every`"],
    ),
    "a series in the order of letters": (
        "id,wk1,wk10,wk2\n4711,5,6,7\n",
        {"layout": "series", "series": SeriesSettings(code="sbp", every="7d")},
        ["even steps", "order of time"],
    ),
    "an uneven series": (
        "id,m0,m1,m3\n4711,5,6,7\n",
        {"layout": "series", "series": SeriesSettings(code="sbp", every="1mo"), "columns": ["m0", "m1", "m3"]},
        ["even steps", "'long'"],
    ),
    "a series whose months fall": (
        "id,2020-02,2019-11,2020-01\n4711,5,6,7\n",
        {"layout": "series", "series": SeriesSettings(code="sbp", every="1mo")},
        ["even steps"],
    ),
    "a series of other steps than `every`": (
        "id,bp_day0,bp_day7,bp_day14\n4711,5,6,7\n",
        {"layout": "series", "series": SeriesSettings(code="sbp")},
        ['every = "1d"', "Set `every`"],
    ),
    "text in a series": (
        "id,r1,r2\n1,5,6\n4711,1,SECRET\n",
        {"layout": "series", "series": SeriesSettings(code="sbp")},
        ["column 'r2'", "row 2:"],
    ),
    "numeric birth without unit": (
        "id,birth\n1,-4711\n",
        {"layout": "static", "rename": {"birth": "MEDS_BIRTH"}},
        ["column 'birth'", "time_unit"],
    ),
    "birth that is none": (
        "id,birth\n1,1950-01-01\n2,SECRET\n",
        {"layout": "static", "rename": {"birth": "MEDS_BIRTH"}},
        ["column 'birth'", "row 2:"],
    ),
    "long without code column": (
        "id,day,kode,v\n1,0,SECRET,1\n",
        {"layout": "long", "value": "v"},
        ["'code'", "'kode'"],
    ),
    "long without value column": ("id,day,code,v\n1,0,SECRET,4711\n", {"layout": "long"}, ["`value`", "'v'"]),
    "long with a value column that is not there": (
        "id,day,code,v\n1,0,SECRET,4711\n",
        {"layout": "long", "value": "w"},
        ["no column 'w'", "`value`"],
    ),
    "long with missing code": (
        "id,day,code,v\n1,0,a,1\n1,0,,1\n",
        {"layout": "long", "value": "v"},
        ["'code'", "row 2:"],
    ),
    "long with a code that means missing": (
        "id,day,code,v\n1,0,K,1\n1,0,NA,1\n",
        {"layout": "long", "value": "v"},
        ["'code'", "row 2:", "`na`"],
    ),
    "long with text among numbers": (
        "id,day,code,v\n1,0,a,1\n1,0,a,SECRET\n1,0,b,SECRET\n",
        {"layout": "long", "value": "v"},
        ["column 'v'", "row 2:", "`categorical`"],
    ),
    "long with infinite": ("id,day,code,v\n1,0,a,inf\n", {"layout": "long", "value": "v"}, ["column 'v'", "row 1:"]),
    "long with two texts": (
        "id,day,code,v,n\n1,0,a,SECRET,SECRET\n",
        {"layout": "long", "value": "v", "text": "n"},
        ["column 'n'", "row 1:"],
    ),
    "long with one column for two uses": (
        "id,day,code\n1,0,SECRET\n",
        {"layout": "long", "value": "code"},
        ["column 'code'", "two uses"],
    ),
    "long with columns": (
        "id,day,code,v\n1,0,a,1\n",
        {"layout": "long", "value": "v", "columns": ["a"]},
        ["`columns`"],
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_table_that_cannot_be_read_is_refused_by_name_and_row(case: str, tmp_path: Path) -> None:
    content, keys, says = CASES[case]
    (tmp_path / "table.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(RecordsError) as caught:
        read_records([table(**keys)], tmp_path)
    message = str(caught.value)
    assert message.startswith("table.csv")
    for words in says:
        assert words in message
    for cell in ("SECRET", "4711", "4712", "4,711", "4.711", "4 711"):
        assert cell not in message
    assert message.endswith(".")
    assert "\n" not in message


DAYS = {"id": [1, 2], "day": [0.0, 1.0]}
FRAMES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "infinite": (DAYS | {"sbp": [1.0, float("inf")]}, {}, ["column 'sbp'", "row 2:", "finite"]),
    "beyond single precision": (DAYS | {"sbp": [1.0, -3.5e38]}, {}, ["column 'sbp'", "row 2:"]),
    "ids are fractions": ({"id": [1.5, 2.0], "day": [0.0, 1.0], "sbp": [1, 2]}, {}, ["column 'id'", "whole numbers"]),
    "ids are missing": ({"id": [1, None], "day": [0.0, 1.0], "sbp": [1, 2]}, {}, ["column 'id'", "row 2:"]),
    "time is NaN": ({"id": [1, 2], "day": [0.0, float("nan")], "sbp": [1, 2]}, {}, ["column 'day'", "row 2:"]),
    "no time at all": ({"id": [1, 2], "day": [None, None], "sbp": [1, 2]}, {}, ["column 'day'", "rows 1, 2:"]),
    "time is true or false": ({"id": [1], "day": [True], "sbp": [1]}, {}, ["column 'day'", "expected times"]),
    "dates as values": (
        DAYS | {"sbp": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 2), eager=True)},
        {},
        ["Date"],
    ),
    "codes that lost their last digits": (
        DAYS | {"dx": [9.99000011000000103e17, 5.0]},
        {"categorical": ["dx"]},
        ["column 'dx'", "row 1:", "rounded", "as text"],
    ),
    "codes of a long table that lost their last digits": (
        DAYS | {"code": [5.0, 9.99000011000000103e17], "numeric_value": [1.0, 2.0]},
        {"layout": "long"},
        ["column 'code'", "row 2:", "rounded"],
    ),
    "lists as values": (DAYS | {"sbp": [[1], [2]]}, {}, ["column 'sbp'", "List"]),
    "an index that pandas kept": (
        DAYS | {"sbp": [1, 2], "__index_level_0__": [8, 9]},
        {},
        ["has no name", "`columns`"],
    ),
    "no rows": ({"id": [], "day": [], "sbp": []}, {}, ["no data rows"]),
}


@pytest.mark.parametrize("case", list(FRAMES))
def test_a_frame_is_checked_like_a_file(case: str, tmp_path: Path) -> None:
    columns, keys, says = FRAMES[case]
    frame = pl.DataFrame(columns)
    frame.write_parquet(tmp_path / "table.parquet")
    for frames, source in (({"t": frame}, "frame 't'"), (None, "table.parquet")):
        with pytest.raises(RecordsError) as caught:
            read_records([table(**keys, source="parquet", path="table.parquet")], tmp_path, frames=frames)
        assert str(caught.value).startswith(source)
        for words in says:
            assert words in str(caught.value)


def test_frames_of_another_kind_are_refused(tmp_path: Path) -> None:
    lazy: Any = pl.LazyFrame(DAYS | {"sbp": [1, 2]})
    with pytest.raises(RecordsError, match=r"^frame 't': expected a polars\.DataFrame, .*LazyFrame\. .* collect\(\)"):
        read_records([table()], tmp_path, frames={"t": lazy})


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.parquet").write_text("id,day\n4711,0\n")
    whole = pl.DataFrame(DAYS | {"sbp": [1, 2]})
    whole.write_parquet(tmp_path / "whole.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-40])
    for path, source, says in (
        ("none.csv", "csv", "no such file"),
        ("folder", "csv", "folder"),
        ("folder", "parquet", "folder"),
        ("text.parquet", "parquet", "cannot be read as Parquet"),
        ("cut.parquet", "parquet", "cannot be read as Parquet"),
    ):
        with pytest.raises(RecordsError, match=says) as caught:
            read_records([table(path=path, source=source)], tmp_path)
        assert str(caught.value).startswith(f"{path}: ")


def test_of_several_files_the_one_at_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,day,sbp\n1,0,1\n1,1,2\n")
    (tmp_path / "b.csv").write_text("id,day,sbp\n1,2,1\n1,3,SECRET\n")
    with pytest.raises(RecordsError, match=r"^b\.csv, column 'sbp', row 2: "):
        read_records([table(path=["a.csv", "b.csv"])], tmp_path)
    (tmp_path / "b.csv").write_text("id,day,dbp\n1,2,1\n")
    with pytest.raises(RecordsError, match=r"^b\.csv, column 'dbp': "):
        read_records([table(path=["a.csv", "b.csv"])], tmp_path)
    for row in ("SECRET,2,SECRET2\n", "SECRET,SECRET1,SECRET2\n"):  # no header
        (tmp_path / "b.csv").write_text(row + "1,2,1\n")
        with pytest.raises(
            RecordsError, match=r"^b\.csv: its columns are not those of 'a\.csv'.*first line"
        ) as refused:
            read_records([table(path=["a.csv", "b.csv"])], tmp_path)
        assert "SECRET" not in str(refused.value)


def test_tables_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    visits = pl.DataFrame({"id": [1], "day": [0], "sbp": [1]})
    dated = pl.DataFrame({"id": [1], "at": ["2020-01-05"], "dbp": [1]})
    born = pl.DataFrame({"id": [1], "MEDS_BIRTH": ["1950-01-05"]})
    first = table(name="one")
    with pytest.raises(RecordsError, match=r"frame 'two': the code 'sbp' stands in table 'one' too\. Rename one"):
        read_records([first, table(name="two")], tmp_path, frames={"one": visits, "two": visits})
    with pytest.raises(RecordsError, match="times are dates here and numbers in table 'one'"):
        read_records([first, table(name="two", time="at")], tmp_path, frames={"one": visits, "two": dated})
    with pytest.raises(RecordsError, match="times are dates here and numbers in table 'one'"):
        read_records([first, table(name="two", layout="static")], tmp_path, frames={"one": visits, "two": born})
    with pytest.raises(RecordsError, match="two tables have this name"):
        read_records([first, first], tmp_path, frames={"one": visits})
    with pytest.raises(RecordsError, match="no table of this name"):
        read_records([first], tmp_path, frames={"uno": visits})
    with pytest.raises(RecordsError, match="outcome tables only"):
        read_records([table(role="outcome")], tmp_path)
    with pytest.raises(RecordsError, match="names no table"):
        read_records([], tmp_path)


def test_tables_that_share_nobody_are_refused_in_a_study_and_read_for_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,day,sbp\n007,0,1\n008,0,1\n")
    (tmp_path / "facts.csv").write_text("id,sex\n7,f\n8,m\n")
    tables = [table(name="visits"), table(name="facts", path="facts.csv", layout="static")]
    with pytest.raises(RecordsError) as caught:
        read_records(tables, tmp_path)
    assert all(part in str(caught.value) for part in ("table.csv", "column 'id'", "another table", "written alike"))
    assert len(read_records(tables, tmp_path, kinds={"sbp": "number", "sex": "text"}).subjects) == 4


def test_ids_that_lost_their_zeros_in_one_table_are_refused(tmp_path: Path) -> None:
    visits = pl.DataFrame({"id": ["099", "100"], "day": [0, 0], "sbp": [1, 2]})
    facts = pl.DataFrame({"id": [99, 100], "sex": ["f", "m"]})
    tables = [table(name="visits"), table(name="facts", layout="static")]
    frames = {"visits": visits, "facts": facts}
    with pytest.raises(RecordsError, match=r"column 'id': ids differ .* leading zeros only.*written alike"):
        read_records(tables, tmp_path, frames=frames)
    assert len(read_records(tables, tmp_path, frames=frames, kinds={}).subjects) == 3


def test_ids_with_a_decimal_point_and_without_are_refused(tmp_path: Path) -> None:
    """As in files of one table, where an export without a missing id writes whole numbers."""
    (tmp_path / "a.csv").write_text("id,day,sbp\n1,0,1\n2,0,1\n")
    (tmp_path / "b.csv").write_text("id,day,sbp\n2.0,1,1\n3.0,1,1\n")
    with pytest.raises(
        RecordsError, match=r"^a\.csv, b\.csv, column 'id': ids .* decimal point .*7\.0 and 7\. Write ids"
    ):
        read_records([table(path=["a.csv", "b.csv"])], tmp_path)
    assert len(read_records([table(path=["b.csv"])], tmp_path).subjects) == 2
    assert len(read_records([table(path=["a.csv", "b.csv"])], tmp_path, kinds={}).subjects) == 4


def test_availability_is_of_the_kind_of_the_times(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1], "at": ["2020-01-05"], "seen": [3], "sbp": [1]})
    with pytest.raises(RecordsError, match="column 'seen'"):
        read_records([table(time="at", available="seen")], tmp_path, frames={"t": frame})


@pytest.mark.parametrize(
    "keys",
    [
        {"layout": "series"},
        {"layout": "series", "series": SeriesSettings(code="a"), "time": "day"},
        {"series": SeriesSettings(code="a")},
        {"layout": "static", "available": "seen"},
        {"layout": "visits", "time": None},
        {"time_zone": "Mars/Phobos"},
        {"delimiter": '"'},
        {"delimiter": "§"},
        {"delimiter": ",", "decimal": ","},
    ],
)
def test_settings_that_make_no_sense_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        table(**keys)


@pytest.mark.parametrize("every", ["", "d", "-1d", "0h", "1 fortnight", "nan d", "9999999y"])
def test_durations_that_are_none_are_refused(every: str) -> None:
    with pytest.raises(ValidationError, match="expected a duration"):
        SeriesSettings(code="sbp", every=every)
