"""Penstock: a real-time data platform on ClickHouse in one Python package.

The flow, which is also the order of the folders of a project, of the columns of the page
and of the imports of this package::

    sources → bronze → silver → gold → serve
"""

__version__ = "0.1.0"
